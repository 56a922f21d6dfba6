// One backup of a Cluster at a time: which ones come before a request. In the order of creation, then of names; what
// already runs comes first, whoever asked for it. Pure.
import type { Backup } from "#api/gen/backup.ts";
import type { InstanceReport } from "#api/gen/instance-report.ts";
import { labels } from "#api/names.ts";
import { isFinished, type Backup as CnpgBackup } from "#cnpg/backup.ts";
import { runningBackups } from "../instance-report.ts";
import { isRequest, type Queue } from "./terms.ts";

export interface QueueInput {
  readonly backup: Backup;
  /** Our Backups of the same Cluster, this one included. */
  readonly backups: readonly Backup[];
  /** All CNPG Backups of the Cluster, of whatever method: CNPG runs one at a time. */
  readonly works: readonly CnpgBackup[];
  readonly report: InstanceReport | undefined;
  readonly now: Date;
}

export function queueOf({ backup, backups, works, report, now }: QueueInput): Queue {
  const own = (work: CnpgBackup): boolean => requestOf(work) === backup.metadata.name;
  const others = works.filter((work) => !isEnded(work) && !own(work) && (isRunning(work) || isBefore(work, backup)));
  const busy = new Set(others.map((work) => requestOf(work) ?? work.metadata.name));
  // What a sidecar still runs although its CNPG Backup is gone or ended: it is being given up.
  for (const name of runningBackups(report, now)) {
    const work = works.find(({ metadata }) => metadata.name === name);
    if (work === undefined || isEnded(work)) busy.add(name);
  }
  const waiting = backups
    .filter((other) => isWaiting(other, now) && other.metadata.uid !== backup.metadata.uid)
    .filter((other) => !busy.has(other.metadata.name) && isBefore(other, backup))
    .sort((one, other) => (isBefore(one, other) ? -1 : 1))
    .map(({ metadata }) => metadata.name);
  const before = [...busy, ...waiting];
  const behind = before.at(-1);
  return { length: before.length, ...(behind !== undefined && { behind }) };
}

/** Whether the Backup changes the queue of its Cluster: others look at it again when this one does. */
export const isOpen = ({ metadata, status }: Backup): boolean =>
  metadata.deletionTimestamp === undefined &&
  status?.backupId === undefined &&
  (status?.phase === undefined || ["Pending", "Running", "Finalizing"].includes(status.phase));

/** A request in line. One that waits to be tried again lets others go first. */
const isWaiting = (backup: Backup, now: Date): boolean =>
  isRequest(backup) && isOpen(backup) && !(Date.parse(backup.status?.nextAttemptAt ?? "") > now.getTime());

const isEnded = (work: CnpgBackup): boolean => isFinished(work) || work.status.phase === "invalid backup definition";

const isRunning = ({ status }: CnpgBackup): boolean => !["", "pending"].includes(status.phase);

const requestOf = ({ metadata }: CnpgBackup): string | undefined => metadata.labels?.[labels.backup];

type Dated = { readonly metadata: { readonly name: string; readonly creationTimestamp?: string | undefined } };

function isBefore({ metadata: one }: Dated, { metadata: other }: Dated): boolean {
  const [first = "", second = ""] = [one.creationTimestamp, other.creationTimestamp];
  return first === second ? one.name < other.name : first < second;
}
