// Whether an Archive can be restored now: its catalog is known, a backup counts, and nothing says that WAL stays behind.
// Pure.
import type { Archive } from "#api/gen/archive.ts";
import type { InstanceReport } from "#api/gen/instance-report.ts";
import { summariseReady } from "#kube/conditions.ts";
import type { Reason } from "#api/conditions.ts";
import type { InstanceEntry } from "#engine/report/reporter.ts";
import type { Catalog } from "#repository/catalog.ts";
import { primaryEntry, reportAgeMaxMs, reportAgeMs } from "../instance-report.ts";
import type { Verdict } from "../verdict.ts";

export interface ArchiveFacts {
  readonly catalog: Catalog;
  /** Of a store that says for itself whether its catalog is whole. */
  readonly catalogSynced?: Verdict;
  /** How many backups count for restore. */
  readonly backups: number;
  /** A part of the store that could be read, when not all could, which proves a window alone. */
  readonly proof?: WindowProof | undefined;
  /** How many are of the database before a major upgrade. */
  readonly formerBackups?: number;
  /** What the primary's sidecar last reported, where a living Cluster archives here; undefined when it never did. */
  readonly primary?: InstanceEntry | undefined;
  readonly now: Date;
}

export interface WindowProof {
  /** "repository 1" */
  readonly from: string;
  /** Whether it has all WAL but what the primary writes now: what another part refuses does not stay behind there. */
  readonly hasNewestWal: boolean;
}

export function archiveConditions(facts: ArchiveFacts): readonly Verdict[] {
  const { catalog, catalogSynced = catalogVerdict(catalog), primary, now } = facts;
  const verdicts = [catalogSynced, ...("primary" in facts ? [archivingVerdict(primary, now)] : [])];
  return [archiveReady(verdicts, facts), ...verdicts];
}

function catalogVerdict(catalog: Catalog): Verdict {
  if (catalog.unreadable.length === 0)
    return {
      type: "CatalogSynced",
      status: "True",
      reason: "Succeeded",
      message: "every backup of the store is known",
    };
  const ids = catalog.unreadable.slice(0, 5).map((entry) => entry.id);
  return {
    type: "CatalogSynced",
    status: "False",
    reason: "MetadataUnreadable",
    message: `backup.info cannot be read for ${ids.join(", ")}: ${catalog.unreadable[0]?.error ?? ""} (mend or remove that object)`,
  };
}

function archivingVerdict(primary: InstanceEntry | undefined, now: Date): Verdict {
  if (primary === undefined || reportAgeMs(primary, now) > reportAgeMaxMs)
    return {
      type: "Archiving",
      status: "Unknown",
      reason: "NoReport",
      message: "the primary's sidecar has not reported for two minutes (look at the primary's pod)",
    };
  if (primary.archiveError !== undefined)
    return { type: "Archiving", status: "False", reason: "ArchiveFailing", message: primary.archiveError };
  const slowed = primary.archiveWarning === undefined ? "" : `, one file at a time: ${primary.archiveWarning}`;
  const message = `the primary's WAL reaches the store${slowed}`;
  return { type: "Archiving", status: "True", reason: "Succeeded", message };
}

/** What slows the archiving of a store's Cluster down, when none of the store's Archives has said it yet. */
export function newWarning(archives: readonly Archive[], report: InstanceReport | undefined): string | undefined {
  const warning = report && primaryEntry(report)?.archiveWarning;
  const said = archives.flatMap(({ status }) => status?.conditions ?? []).filter(({ type }) => type === "Archiving");
  return warning !== undefined && said.some(({ message }) => message.includes(warning)) ? undefined : warning;
}

/** Whether the Archive says of its Cluster's archiving something else than the Cluster's newest report does. */
export function isContradicted(archive: Archive, report: InstanceReport, now: Date): boolean {
  if (archive.metadata.namespace !== report.metadata.namespace) return false;
  if (archive.status?.cluster?.name !== report.metadata.name) return false;
  const said = archive.status.conditions?.find(({ type }) => type === "Archiving");
  const { status, reason, message } = archivingVerdict(primaryEntry(report), now);
  if (said === undefined) return false;
  // The words of a failure may be others each time.
  return said.status !== status || said.reason !== reason || (status === "True" && said.message !== message);
}

function archiveReady(verdicts: readonly Verdict[], { backups, formerBackups = 0, proof }: ArchiveFacts): Verdict {
  const isMadeUpFor = ({ type, status, reason }: Verdict): boolean =>
    (type === "CatalogSynced" && status === "Unknown") ||
    (type === "Archiving" && reason === "ArchiveFailing" && proof?.hasNewestWal === true);
  const excused = proof === undefined ? [] : verdicts.filter(isMadeUpFor);
  const { status, reason, message } = summariseReady(verdicts, {
    needs: verdicts.filter((verdict) => !excused.includes(verdict)).map(({ type }) => type),
    generation: 1,
  });
  if (status !== "True") return { type: "Ready", status, reason: reason as Reason, message };
  if (backups === 0)
    return {
      type: "Ready",
      status: "False",
      reason: "NoBackup",
      message:
        formerBackups === 0
          ? "no backup counts for restore yet: make one with a Backup"
          : "no backup was made since the major upgrade: make one with a Backup; those from before restore with their own PostgreSQL",
    };
  return {
    type: "Ready",
    status: "True",
    reason: "Succeeded",
    message:
      proof === undefined || excused.length === 0
        ? "restorable: the catalog is known, and a backup counts"
        : `restorable from ${proof.from}; ${excused.map(({ type, message: said }) => `${type}: ${said}`).join("; ")}`,
  };
}
