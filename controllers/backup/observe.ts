// Reads what there is to know about one Backup of ours: its CNPG Backups, its Cluster, the sidecars' report, and what the
// store's last catalog says of it. Caches only, but for the one look at the store when the backup is completed.
import { describeViolations } from "#api/violations.ts";
import { requestProblems } from "#api/backup-request.ts";
import { validate } from "#api/gen/backup.validator.js";
import { labels } from "#api/names.ts";
import type { Backup } from "#api/gen/backup.ts";
import type { InstanceReport } from "#api/gen/instance-report.ts";
import { decodeBackup, isFinished, type Backup as CnpgBackup } from "#cnpg/backup.ts";
import { decodeCluster } from "#cnpg/cluster.ts";
import { isPluginEnabled } from "#cnpg/plugin-config.ts";
import type { Informer } from "#kube/informer.ts";
import { keyOf, type KubeObject, type ObjectKey } from "#kube/object.ts";
import type { BackupRecord } from "#repository/catalog.ts";
import type { Catalogs } from "../catalogs.ts";
import { findStore } from "../repositories.ts";
import { repositoryNow } from "./moved.ts";
import type { StoreKey, StoreKind } from "../store-key.ts";
import { clusterKey, nameOfStore, placeOf, storeKeyAt, type PlaceSources } from "./place.ts";
import type { Progresses } from "./progress.ts";
import { isOpen, queueOf } from "./queue.ts";
import { factsOf } from "./status.ts";
import { backupIdOf, isRequest, type Check, type InStore, type Observed, type Queue, type Work } from "./terms.ts";
import type { Verifier } from "./verification.ts";

export interface Sources extends PlaceSources {
  /** Indexed by "cluster" and "cnpgBackup". */
  readonly backups: Informer<Backup>;
  /** Indexed by "request" and "cluster". */
  readonly cnpgBackups: Informer<KubeObject>;
  readonly reports: Informer<InstanceReport>;
  readonly catalogs: Catalogs;
  /** Has the controller of the store look at it now. */
  readonly lookAt: (store: StoreKey) => void;
}

export interface Looks {
  readonly verifier: Verifier;
  readonly progresses: Progresses;
}

export async function observeBackup(
  key: ObjectKey,
  sources: Sources,
  { verifier, progresses, signal }: Looks & { readonly signal: AbortSignal },
): Promise<Observed | undefined> {
  const backup = sources.backups.get(key);
  if (backup === undefined) return undefined;
  const works = worksOf(backup, sources);
  const newest = works.at(-1);
  const work = newest && describeWork(newest);
  const progress = work && progresses.read(backup.metadata.uid ?? "", work.name, reportOf(backup, sources));
  const storeKind = placeOf(backup, sources)?.kind;
  const invalid = invalidity(backup, storeKind);
  const inStore = readCatalog(backup, work, { sources, verifier });
  const check =
    invalid === undefined ? await verify({ backup, work, inStore }, { sources, verifier, signal }) : undefined;
  const now = new Date();
  return {
    backup,
    ...(invalid !== undefined && { invalid }),
    cluster: clusterState(backup, sources),
    ...(storeKind && { storeKind }),
    ...(work && { work }),
    attempts: isRequest(backup) ? Math.max(works.length, backup.status?.attempts ?? 0) : 0,
    unfinished: isRequest(backup) ? works.filter((one) => !isFinished(one)).map(({ metadata }) => metadata.name) : [],
    queue: queueFor(backup, sources, now),
    inStore,
    ...(check && { check }),
    ...(progress && { progress }),
    now,
  };
}

function invalidity(backup: Backup, storeKind: StoreKind | undefined): string | undefined {
  if (!validate(backup.spec)) return describeViolations("spec", validate.errors);
  const { type = "full", selectedRepository } = backup.spec;
  if (storeKind === "ObjectStore" && type !== "full")
    return `spec.type: an ObjectStore knows full backups only (write full, or archive to a Stanza for ${type})`;
  if (storeKind === "ObjectStore" && selectedRepository !== undefined)
    return "spec.selectedRepository: an ObjectStore has no repositories to choose from (leave it out)";
  const problems = requestProblems(backup).map(({ field, message, hint }) => `${field}: ${message} (${hint})`);
  return problems.length === 0 ? undefined : problems.join("; ");
}

/** The CNPG Backups that do this one's work, oldest first: those it made, or the one it records. */
export function worksOf(backup: Backup, { cnpgBackups }: Pick<Sources, "cnpgBackups">): readonly CnpgBackup[] {
  const { namespace = "", name, uid, labels: own } = backup.metadata;
  const recorded = own?.[labels.cnpgBackup];
  const objects =
    recorded !== undefined
      ? [cnpgBackups.get({ namespace, name: recorded })].flatMap((object) => object ?? [])
      : cnpgBackups
          .byIndex("request", `${namespace}/${name}`)
          .filter(({ metadata }) => metadata.ownerReferences?.some((owner) => owner.uid === uid));
  const age = ({ metadata }: CnpgBackup): string => `${metadata.creationTimestamp ?? ""} ${metadata.name}`;
  return objects.map(decodeBackup).sort((one, other) => (age(one) < age(other) ? -1 : 1));
}

const describeWork = ({ metadata, status }: CnpgBackup): Work => ({
  name: metadata.name,
  phase: status.phase,
  ...(status.phase === "completed" && status.backupId !== undefined && { backupId: status.backupId }),
  ...(status.error !== undefined && { error: status.error }),
  ...(status.instance !== undefined && { instance: status.instance }),
  ...(status.startedAt !== undefined && { startedAt: status.startedAt }),
  said: saidOf(status.pluginMetadata),
});

/** What the sidecar wrote beside the id. The catalog has most of it later; why the type was chosen stands only there. */
function saidOf({ type, typeReason, prior, repository }: Readonly<Record<string, string>>): NonNullable<Work["said"]> {
  const key = Number(repository);
  return {
    ...((type === "full" || type === "diff" || type === "incr") && { type }),
    ...(typeReason !== undefined && typeReason !== "" && { typeReason }),
    ...(prior !== undefined && prior !== "" && { prior }),
    ...(Number.isInteger(key) && key > 0 && { selectedRepository: key }),
  };
}

function clusterState(backup: Backup, { clusters }: Sources): Observed["cluster"] {
  const object = clusters.get(clusterKey(backup));
  if (object === undefined) return "missing";
  return isPluginEnabled(decodeCluster(object)) ? "found" : "no-plugin";
}

const reportOf = (backup: Backup, { reports }: Sources): InstanceReport | undefined => reports.get(clusterKey(backup));

function queueFor(backup: Backup, sources: Sources, now: Date): Queue {
  if (!isRequest(backup) || !isOpen(backup)) return { length: 0 };
  const cluster = keyOf(clusterKey(backup));
  return queueOf({
    backup,
    backups: sources.backups.byIndex("cluster", cluster),
    works: sources.cnpgBackups.byIndex("cluster", cluster).map(decodeBackup),
    report: reportOf(backup, sources),
    now,
  });
}

function readCatalog(
  backup: Backup,
  work: Work | undefined,
  { sources, verifier }: { readonly sources: Sources; readonly verifier: Verifier },
): InStore {
  const id = backupIdOf({ backup, ...(work && { work }) });
  const place = placeOf(backup, sources);
  if (id === undefined || place === undefined)
    return { kind: "unknown", reason: "StoreNotFound", message: "it is not known which store the backup is in" };
  const key = storeKeyAt(backup, place);
  const store = findStore(sources, key);
  if (store === undefined)
    return { kind: "unknown", reason: "StoreNotFound", message: `${nameOfStore(place)} does not exist` };
  const reading = sources.catalogs.get(key);
  if (reading === undefined || reading.storeUid !== store.object.metadata.uid)
    return { kind: "unread", message: `store ${place.store} has not been read yet` };
  if (reading.problem !== undefined)
    return {
      kind: "unknown",
      reason: reading.problem.reason,
      message: `store ${place.store} cannot be read: ${reading.problem.message}`,
    };
  const catalog = reading.catalogs?.get(place.serverName);
  const recorded = repositoryNow(backup, store, repositoryOf(backup, work));
  const record = inItsRepository(
    catalog?.backups.find((candidate) => candidate.id === id),
    recorded,
  );
  const number = record?.repository ?? recorded;
  const repository = factsOf(store, place.serverName, number);
  if (record !== undefined && record.status !== "incomplete") return { kind: "present", record, repository };
  const unreadable = catalog?.unreadable.find((entry) => entry.id === id);
  if (unreadable !== undefined)
    return {
      kind: "unknown",
      reason: "MetadataUnreadable",
      message: `its backup.info cannot be read: ${unreadable.error}`,
    };
  const [unread] = [...(reading.unread ?? [])].filter(([key]) => number === undefined || number === key);
  if (unread !== undefined) return { kind: "unknown", ...unread[1] };
  if (reading.startedAt < (verifier.wholeAt(backup.metadata.uid ?? "") ?? -Infinity)) {
    sources.lookAt(key);
    return { kind: "older" };
  }
  const { phase } = backup.status ?? {};
  if (phase === "Completed" || phase === "Missing") verifier.forget(backup.metadata.uid ?? "");
  return { kind: "absent", repository, dataLeft: record !== undefined };
}

/** A copy in a repository of a lower number is not what the backup stands for while its own repository has it. */
const inItsRepository = (record: BackupRecord | undefined, number: number | undefined): BackupRecord | undefined =>
  record !== undefined && number !== undefined && record.alsoIn?.includes(number) === true
    ? { ...record, repository: number }
    : record;

/** Looks at the backup itself when CNPG has completed it, until it was found whole. */
async function verify(
  { backup, work, inStore }: Pick<Observed, "backup" | "inStore"> & { readonly work: Work | undefined },
  { sources, verifier, signal }: Pick<Looks, "verifier"> & { readonly sources: Sources; readonly signal: AbortSignal },
): Promise<Check | undefined> {
  const { phase } = backup.status ?? {};
  const id = backupIdOf({ backup, ...(work && { work }) });
  const place = placeOf(backup, sources);
  const isAbsent = phase === "Missing" && inStore.kind !== "present";
  if (backup.spec.cluster === undefined || phase === "Completed" || isAbsent) return undefined;
  if (id === undefined || place === undefined) return undefined;
  const key = storeKeyAt(backup, place);
  const store = findStore(sources, key);
  // A store that is known to be away is not asked by each of its backups.
  const isAway = inStore.kind === "unknown" && sources.catalogs.get(key)?.problem !== undefined;
  if (store === undefined || isAway) return undefined;
  const listed = inStore.kind === "present" ? inStore.record.repository : undefined;
  const repository = listed ?? repositoryNow(backup, store, repositoryOf(backup, work));
  const order = { uid: backup.metadata.uid ?? "", store, server: place.serverName, id };
  return verifier.check({ ...order, ...(repository !== undefined && { repository }) }, signal);
}

/** Which repository of a Stanza it is in, as far as anybody said, by its number at that time. */
const repositoryOf = ({ status, spec }: Backup, work: Work | undefined): number | undefined =>
  status?.selectedRepository ?? work?.said?.selectedRepository ?? spec.selectedRepository;
