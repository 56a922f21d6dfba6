// Observed Stanzas for the tests of what is planned for them.
import type { InstanceReport } from "#api/gen/instance-report.ts";
import type { Stanza } from "#api/gen/stanza.ts";
import type { SegmentName } from "#postgres/segment.ts";
import type { BackupRecord } from "#repository/catalog.ts";
import type { BackupInfo } from "#repository/pgbackrest/info.ts";
import { planStanza, type ObservedStanza } from "./plan.ts";
import type { ObservedRepository, RepositoryContent } from "./terms.ts";

const now = new Date("2026-11-21T12:00:00Z");
const repositorySpec = { bucket: "b", endpoint: "minio:9000", region: "r", repoPath: "/r" };
export const stanza = (status: Stanza["status"] = {}): Stanza => ({
  metadata: { name: "main", namespace: "db", uid: "u", generation: 2 },
  spec: { stanzaConfiguration: { name: "pg", s3Repositories: [repositorySpec] } },
  status,
});
export const segment = (number: number) => `0000000100000000000000${String(number).padStart(2, "0")}` as SegmentName;
export const record = (id: string, repository: number, changes: Partial<BackupRecord> = {}): BackupRecord => ({
  id,
  repository,
  status: "done",
  type: "full",
  endTime: new Date("2026-11-20T00:00:00Z"),
  systemId: "7",
  tablespaces: [],
  ...changes,
});
const info = ({ id, repository = 1, type, prior }: BackupRecord): BackupInfo => ({
  label: id,
  type,
  repositoryKey: repository,
  databaseId: 1,
  references: [],
  annotations: {},
  beginSeconds: 10,
  endSeconds: 20,
  addedBytes: 1024,
  ...(prior !== undefined && { prior }),
});
export const content = (
  backups: readonly BackupRecord[],
  changes: Partial<RepositoryContent> = {},
): RepositoryContent => ({
  catalog: { server: "pg", backups, unreadable: [] },
  backups: backups.map(info),
  newestWal: segment(9),
  encrypted: true,
  systemId: "7",
  continuity: { between: [], listedFor: "" },
  ...changes,
});
export const repository = (key: number, changes: Partial<ObservedRepository> = {}): ObservedRepository => ({
  key,
  type: "s3",
  location: `s3://b/r${key}`,
  state: "Ok",
  checks: [],
  content: content([record(`2026112${key}-000000F`, key)]),
  isRead: true,
  ...changes,
});
/** Away now; it was read before by this process unless `content` is taken away. */
export const away = (key: number, { unknown = false } = {}): ObservedRepository => {
  const { content: before, ...rest } = repository(key);
  return {
    ...rest,
    state: "Unreachable",
    message: "[HostConnectError] unable to connect to minio:9000",
    isRead: false,
    ...(!unknown && before && { content: before }),
  };
};
export const report = (entry: object): InstanceReport => ({
  metadata: { name: "pg" },
  status: { instances: { "pg-1": { role: "primary", reportedAt: "2026-11-21T11:59:30Z", ...entry } } },
});
export const looked = (...repositories: ObservedRepository[]) =>
  ({ kind: "looked", repositories, owner: undefined }) as const;
export const plan = (look: ObservedStanza["look"], changes: Partial<ObservedStanza> = {}) =>
  planStanza({ stanza: stanza(), look, archives: [], backups: [], clusters: [], now, ...changes });
export const verdict = (planned: ReturnType<typeof plan>, type: string) =>
  planned.verdicts.find((each) => each.type === type);
