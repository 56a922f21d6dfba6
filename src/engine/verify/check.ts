// Whether a backup that was just written is really there: its metadata reads back as done, its data has the recorded
// size, and the archive holds every WAL file without which it cannot become consistent. A few listings, no data read.
import { defaultSegmentBytes, segmentTimeline } from "#postgres/segment.ts";
import type { BackupRecord } from "#repository/catalog.ts";
import type { Repository } from "#repository/repository.ts";
import { requiredWal, someOf } from "../backup/plan.ts";

export type BackupCheck =
  | { readonly kind: "whole"; readonly record: BackupRecord }
  | {
      readonly kind: "broken";
      readonly reason: "MissingMetadata" | "MetadataUnreadable" | "MissingData" | "MissingWAL" | "NotDone";
      readonly message: string;
      readonly record?: BackupRecord;
    };

export interface CheckOptions {
  readonly repository: Repository;
  readonly server: string;
  readonly id: string;
  readonly signal: AbortSignal;
}

/** 0.8 TB of WAL, 50 listings: a backup that spans more is not looked through. */
const segmentsMax = 50_000n;

/** Throws StoreError when the store does not answer: then nothing is known. */
export async function checkBackup(options: CheckOptions): Promise<BackupCheck> {
  const { repository, server, id, signal } = options;
  const { record, unreadable, hasData, lacking } = await repository.contents(server, id, { signal });
  if (unreadable !== undefined)
    return broken("MetadataUnreadable", `the metadata of ${id} cannot be read back: ${unreadable}`);
  if (record === undefined)
    return hasData
      ? broken("MissingMetadata", `the store has data of backup ${id}, and no metadata`)
      : broken("MissingData", `the store has nothing of backup ${id}`);
  if (record.status !== "done")
    return broken("NotDone", record.error ?? `the store lists it as ${record.status}`, record);
  if (lacking !== undefined) return broken("MissingData", `backup ${id} is not whole: ${lacking}`, record);
  const missing = await findMissingWal(options, record);
  if (missing.length > 0)
    return broken("MissingWAL", `WAL that the backup needs is not in the store: ${someOf(missing)}`, record);
  return { kind: "whole", record };
}

function broken(
  reason: Extract<BackupCheck, { kind: "broken" }>["reason"],
  message: string,
  record?: BackupRecord,
): BackupCheck {
  return { kind: "broken", reason, message, ...(record && { record }) };
}

/** Names of WAL files from the begin of the backup to its end that the archive does not hold. */
async function findMissingWal(
  { repository, server, signal }: CheckOptions,
  record: BackupRecord,
): Promise<readonly string[]> {
  const { beginLsn, endLsn, beginWal, endWal, segmentBytes = defaultSegmentBytes } = record;
  if (beginLsn === undefined || endLsn === undefined || beginWal === undefined || endWal === undefined)
    return ["its first and last segment are not recorded"];
  if ((endLsn - beginLsn) / BigInt(segmentBytes) > segmentsMax)
    return repository.missingFiles(server, [beginWal, endWal], { signal });
  const [beginTimeline, endTimeline] = [segmentTimeline(beginWal), segmentTimeline(endWal)];
  const history = beginTimeline === endTimeline ? [] : await repository.history(server, endTimeline, { signal });
  const range = { beginLsn, beginTimeline, endLsn, endTimeline, segmentBytes, history: history ?? [] };
  const names = requiredWal(range);
  // Without the history of a promotion in between nothing leads from the first segment to the last.
  if (names === undefined) return [`the history of timeline ${endTimeline}`];
  return repository.missingFiles(server, names, { signal });
}
