// How far a running backup is, and how fast: the rate follows from two reports of the sidecar, by the times that it gave.
import type { InstanceReport } from "#api/gen/instance-report.ts";
import type { InstanceEntry } from "#engine/report/reporter.ts";
import { BoundedMap } from "#std/bounded-map.ts";
import { formatBytes } from "./status.ts";
import type { Progress, Status } from "./terms.ts";

interface Sample {
  /** The CNPG Backup. */
  readonly name: string;
  readonly atMs: number;
  readonly bytesDone: number;
  readonly bytesPerSecond?: number;
}

/** What two samples of one backup tell; the same report twice tells what it told before. Pure. */
export function nextSample(before: Sample | undefined, now: Sample): Sample {
  if (before === undefined || before.name !== now.name) return now;
  if (now.atMs <= before.atMs) return before;
  const bytes = now.bytesDone - before.bytesDone;
  return bytes < 0 ? now : { ...now, bytesPerSecond: Math.round((bytes * 1000) / (now.atMs - before.atMs)) };
}

/** "1.2Gi/4.1Gi 88Mi/s". Pure. */
export function describeProgress({
  bytesDone,
  bytesTotal,
  bytesPerSecond,
  waitingForSegment,
}: Progress): Partial<Status> {
  if (bytesDone === undefined || !bytesTotal) return {};
  const isCopying = bytesPerSecond !== undefined && waitingForSegment === undefined;
  const rate = isCopying ? ` ${formatBytes(bytesPerSecond)}/s` : "";
  return {
    progress: `${formatBytes(bytesDone)}/${formatBytes(bytesTotal)}${rate}`,
    ...(isCopying && { bytesPerSecond }),
  };
}

const samplesMax = 1_000;

/** The last sample of each running backup. */
export class Progresses {
  readonly #samples = new BoundedMap<string, Sample>(samplesMax);

  /** Of the CNPG Backup `work`, for the Backup of ours with this uid; undefined when no sidecar says that it runs. */
  read(uid: string, work: string, report: InstanceReport | undefined): Progress | undefined {
    const entry = Object.values(report?.status?.instances ?? {}).find(({ backup }) => backup?.name === work);
    if (entry?.backup === undefined) {
      this.#samples.delete(uid);
      return undefined;
    }
    const { bytesDone, bytesTotal, waitingForSegment } = entry.backup;
    const rate = this.#measure(uid, work, entry);
    return {
      ...(bytesDone !== undefined && { bytesDone }),
      ...(bytesTotal !== undefined && { bytesTotal }),
      ...(rate !== undefined && { bytesPerSecond: rate }),
      ...(waitingForSegment !== undefined && { waitingForSegment }),
    };
  }

  #measure(uid: string, name: string, { backup, reportedAt }: InstanceEntry): number | undefined {
    const atMs = Date.parse(reportedAt ?? "");
    if (backup?.bytesDone === undefined || Number.isNaN(atMs)) return undefined;
    const sample = nextSample(this.#samples.get(uid), { name, atMs, bytesDone: backup.bytesDone });
    this.#samples.set(uid, sample);
    return sample.bytesPerSecond;
  }
}
