// Whether a backup is to be full, differential or incremental, and why. Pure. An incremental one is quick and small, but
// each depends on all before it back to a full one: without a rule the chain grows for ever, and retention, which counts
// full backups, never removes anything.
import type { StanzaConfig } from "#repository/pgbackrest/config.ts";
import {
  databasesOf,
  type BackupInfo,
  type BackupType,
  type PgbackrestInfo,
} from "#repository/pgbackrest/info-json.ts";

export interface TypeChoice {
  readonly type: BackupType;
  /** In one line, for the Backup's status. */
  readonly why: string;
}

export interface TypeInput {
  /** Absent: nobody said. */
  readonly asked: BackupType | undefined;
  /** Of the repository that the backup goes to, and of the present database only: see `presentBackups`. */
  readonly backups: readonly BackupInfo[];
  readonly repository: number;
  /** Set while the stanza has been upgraded and holds backups from before: "15" and "17". */
  readonly upgrade?: { readonly from: string; readonly to: string } | undefined;
  readonly policy: StanzaConfig["backup"];
  readonly now: Date;
}

/** After an upgrade of PostgreSQL the stanza holds a new database, whose backups continue none of the old one's. */
export function presentBackups(
  { databases, backups }: Pick<PgbackrestInfo, "databases" | "backups">,
  repository: number,
): readonly BackupInfo[] {
  const [present] = databasesOf({ databases }, repository);
  return backups.filter((backup) => backup.repositoryKey === repository && backup.databaseId === present?.id);
}

/** From which version to which a repository was upgraded last, as long as it holds backups of the former one. */
export function lastUpgrade(
  { databases, backups }: Pick<PgbackrestInfo, "databases" | "backups">,
  repository: number,
): TypeInput["upgrade"] {
  const [present, former] = databasesOf({ databases }, repository);
  const isKept = backups.some((one) => one.repositoryKey === repository && one.databaseId === former?.id);
  if (!isKept || present?.version === undefined || former?.version === undefined) return undefined;
  return { from: former.version, to: present.version };
}

export function chooseType({ asked, backups, repository, upgrade, policy, now }: TypeInput): TypeChoice {
  if (asked === "full") return { type: "full", why: "a full backup was asked for" };
  const full = newestFull(backups);
  if (full === undefined) {
    const since = upgrade === undefined ? "yet" : `since the upgrade from PostgreSQL ${upgrade.from} to ${upgrade.to}`;
    const none = `repository ${repository} holds no full backup ${since}`;
    const why = asked === undefined ? none : `${none}, and ${nameOf[asked]} one without its full is impossible`;
    return { type: "full", why };
  }
  if (asked !== undefined) return { type: asked, why: `${nameOf[asked]} backup was asked for` };
  const days = Math.floor((now.getTime() / 1000 - (full.endSeconds ?? 0)) / secondsOfDay);
  if (days >= policy.fullEveryDays) {
    const why = `the newest full backup, ${full.label}, is ${countOf(days, "day")} old, and one is made every ${countOf(policy.fullEveryDays, "day")}`;
    return { type: "full", why };
  }
  const chain = backups.filter(({ label }) => label.startsWith(`${full.label}_`)).length;
  if (chain >= policy.chainMax) {
    const why = `${countOf(chain, "backup")} depend on the newest full backup, ${full.label}, and ${policy.chainMax} may`;
    return { type: "full", why };
  }
  return { type: "incr", why: `it is backup ${chain + 1} of at most ${policy.chainMax} on the full one ${full.label}` };
}

const secondsOfDay = 86_400;
const nameOf = { diff: "a differential", incr: "an incremental" } as const;

const countOf = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`;

/** Labels begin with the time of the backup. */
const newestFull = (backups: readonly BackupInfo[]): BackupInfo | undefined =>
  backups.filter(({ type }) => type === "full").toSorted((a, b) => (a.label < b.label ? 1 : -1))[0];
