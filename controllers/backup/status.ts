// A backup found in a store, in the words of our Backup's status. Pure.
import type { Backup } from "#api/gen/backup.ts";
import { timestamp } from "#kube/timestamp.ts";
import { formatLsn } from "#postgres/lsn.ts";
import type { BackupRecord } from "#repository/catalog.ts";
import type { StoreObject } from "../repositories.ts";
import type { StoreKind } from "../store-key.ts";

export { timestamp } from "#kube/timestamp.ts";

type Status = NonNullable<Backup["status"]>;

/** Where a backup is. */
export interface RepositoryFacts {
  readonly kind: StoreKind;
  readonly name: string;
  readonly uid: string;
  readonly serverName: string;
  /** Of a Stanza only once it is known which of its repositories has the backup. */
  readonly destinationPath?: string;
  readonly endpointURL?: string;
}

/** `repository`: which repository of a Stanza, where that is known. */
export function factsOf(store: StoreObject, serverName: string, repository?: number): RepositoryFacts {
  const { name, uid = "" } = store.object.metadata;
  return { kind: store.kind, name, uid, serverName, ...destinationOf(store, repository) };
}

/** Where the data are, as the store's spec has it. */
export function destinationOf(
  store: StoreObject,
  repository: number | undefined,
): Pick<RepositoryFacts, "destinationPath" | "endpointURL"> {
  if (store.kind === "ObjectStore") {
    const { destinationPath, endpointURL } = store.object.spec.configuration;
    return { destinationPath, ...(endpointURL !== undefined && { endpointURL }) };
  }
  const { s3Repositories = [], azureRepositories = [] } = store.object.spec.stanzaConfiguration;
  if (repository === undefined) return {};
  const s3 = s3Repositories[repository - 1];
  if (s3 !== undefined) return { destinationPath: `s3://${s3.bucket}${s3.repoPath}`, endpointURL: s3.endpoint };
  const azure = azureRepositories[repository - 1 - s3Repositories.length];
  if (azure === undefined) return {};
  const { container, repoPath, endpoint } = azure;
  return {
    destinationPath: `azure://${container}${repoPath}`,
    ...(endpoint !== undefined && { endpointURL: endpoint }),
  };
}

export const describePlace = ({ kind, name, uid, ...place }: RepositoryFacts): Partial<Status> => ({
  repository: { kind, name, uid },
  ...place,
});

export function describeRecord(record: BackupRecord, repository: RepositoryFacts): Partial<Status> {
  const seconds =
    record.beginTime !== undefined && record.endTime !== undefined
      ? Math.round((record.endTime.getTime() - record.beginTime.getTime()) / 1000)
      : undefined;
  return withoutUndefined({
    ...describePlace(repository),
    backupId: record.id,
    backupName: record.name,
    type: record.type,
    prior: record.prior,
    selectedRepository: record.repository,
    beginWal: record.beginWal,
    endWal: record.endWal,
    beginLSN: record.beginLsn === undefined ? undefined : formatLsn(record.beginLsn),
    endLSN: record.endLsn === undefined ? undefined : formatLsn(record.endLsn),
    startedAt: record.beginTime === undefined ? undefined : timestamp(record.beginTime),
    stoppedAt: record.endTime === undefined ? undefined : timestamp(record.endTime),
    duration: seconds === undefined ? undefined : formatDuration(seconds),
    systemID: record.systemId,
    timeline: record.timeline,
    postgresVersion:
      record.postgresVersion === undefined ? record.postgresMajor?.toString() : formatVersion(record.postgresVersion),
    sizeBytes: record.sizeBytes,
    storedBytes: record.storedBytes,
    size: record.sizeBytes === undefined ? undefined : formatBytes(record.sizeBytes),
  });
}

/** server_version_num for people: 150018 is "15.18". */
const formatVersion = (version: number): string => `${Math.floor(version / 10_000)}.${version % 10_000}`;

/** "3m12s", "34s", "2h05m". */
export function formatDuration(seconds: number): string {
  const pad = (value: number) => String(value).padStart(2, "0");
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m${pad(seconds % 60)}s`;
  return `${Math.floor(seconds / 3600)}h${pad(Math.floor((seconds % 3600) / 60))}m`;
}

/** Binary units with one decimal below ten: "4.1Gi", "220Mi". */
export function formatBytes(bytes: number): string {
  const units = ["", "Ki", "Mi", "Gi", "Ti", "Pi"];
  const power = bytes < 1024 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1024 ** power;
  return `${value < 10 && power > 0 ? value.toFixed(1) : Math.round(value)}${units[power]}`;
}

const withoutUndefined = (fields: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
