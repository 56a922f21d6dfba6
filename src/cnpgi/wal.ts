// Archive and Restore of single WAL files: reads who is to do what out of the Cluster that comes with each call, and
// hands it to the engine behind WalPort. No store and no file is touched here.
import { decodeCluster, isArchiveRecovery, skipsEmptyArchiveCheck, type Cluster } from "#cnpg/cluster.ts";
import { readPluginConfig, type ConfigProblem, type StoreReference } from "#cnpg/plugin-config.ts";
import { archiving, walSource } from "#cnpg/wal-roles.ts";
import { complete } from "./capabilities.ts";
import {
  WAL,
  WALCapabilitiesResultSchema,
  WALCapability_RPC_Type as Type,
  WALRestoreRequest_Mode as Mode,
  type WALArchiveRequest,
} from "./gen/wal_pb.ts";
import { service, type Service } from "./service.ts";
import { RpcError } from "./status-code.ts";

export interface ArchiveOrder<Reference extends StoreReference = StoreReference> {
  readonly cluster: Cluster;
  /** Absolute path of the segment, history, label or partial file. */
  readonly path: string;
  readonly store: Reference;
  /**
   * Whether an archive that is not empty must be refused. undefined: CNPG (1.30 and older) leaves it to us, to be told
   * from the marker file in PGDATA.
   */
  readonly checkEmpty: boolean | undefined;
  /** The user's annotation that switches the check off. */
  readonly skipEmptyCheck: boolean;
}

/**
 * recovery: an error ends recovery early, which loses data. running: an error makes PostgreSQL stream or ask again, a
 * hung call blocks both. rewind: pg_rewind asks for each file once and fails on any error; CNPG 1.30 and older does not
 * tell, so there it is a running instance.
 */
export type RestoreMode = "recovery" | "running" | "rewind";

export interface RestoreOrder<Reference extends StoreReference = StoreReference> {
  readonly cluster: Cluster;
  /** Bare name of the segment or history file. */
  readonly name: string;
  /** Absolute path of the file to be made. */
  readonly destination: string;
  readonly store: Reference;
  /** As far as the Cluster tells: PGDATA decides whether a bootstrap is an archive recovery. */
  readonly mode: RestoreMode;
}

/** Both throw RpcError or an error that statusOf knows; NOT_FOUND only for an absence that is proven. */
export interface WalPort<Reference extends StoreReference = StoreReference> {
  /** Resolves when the file is stored for good. Ends in its own time: neither CNPG nor PostgreSQL would end it. */
  archive(order: ArchiveOrder<Reference>, signal: AbortSignal): Promise<void>;
  /** Resolves when the destination holds the whole file. */
  restore(order: RestoreOrder<Reference>, signal: AbortSignal): Promise<void>;
}

export interface WalServiceOptions {
  readonly port: WalPort;
  /** Of the pod that this process runs in. */
  readonly podName: string;
}

export function walService({ port, podName }: WalServiceOptions): Service {
  const advertised = complete(WALCapabilitiesResultSchema, {
    capabilities: [Type.ARCHIVE_WAL, Type.RESTORE_WAL].map((type) => ({
      type: { case: "rpc" as const, value: { type } },
    })),
  });
  return service(WAL, {
    getCapabilities: () => advertised,
    archive: async (request, { signal }) => {
      const order = archiveOrder(request);
      if (order !== undefined) await port.archive(order, signal);
      return {};
    },
    restore: async ({ clusterDefinition, sourceWalName: name, destinationFileName: destination, mode }, { signal }) => {
      const cluster = decodeCluster(clusterDefinition);
      const store = sourceStore(cluster, podName);
      await port.restore({ cluster, name, destination, store, mode: restoreMode(cluster, mode) }, signal);
      return {};
    },
  });
}

/** undefined when another archiver stores the file. */
function archiveOrder(request: WALArchiveRequest): ArchiveOrder | undefined {
  const cluster = decodeCluster(request.clusterDefinition);
  const decision = archiving(cluster);
  if (!decision.archive) {
    if (decision.archiver !== undefined) return undefined;
    throw new RpcError("FAILED_PRECONDITION", `nobody archives cluster ${cluster.metadata.name}: ${decision.why}`);
  }
  const { own } = readPluginConfig(cluster);
  if (own?.kind !== "store") throw misconfigured(own?.problems ?? []);
  return {
    cluster,
    path: request.sourceFileName,
    store: own.store,
    checkEmpty: request.checkEmptyWalArchive,
    skipEmptyCheck: skipsEmptyArchiveCheck(cluster),
  };
}

function sourceStore(cluster: Cluster, podName: string): StoreReference {
  const source = walSource(cluster, podName);
  if (source.kind === "none") throw new RpcError("NOT_FOUND", `there is no archive to restore from: ${source.why}`);
  if (source.kind === "invalid") throw misconfigured(source.problems);
  return source.store;
}

function restoreMode(cluster: Cluster, mode: number): RestoreMode {
  if (mode === Mode.REWIND) return "rewind";
  return isArchiveRecovery(cluster) ? "recovery" : "running";
}

/** The status for a Cluster whose entry for this plugin is wrong. */
export const misconfigured = (problems: readonly ConfigProblem[]): RpcError =>
  new RpcError("FAILED_PRECONDITION", problems.map(({ field, message }) => `${field}: ${message}`).join("; "));
