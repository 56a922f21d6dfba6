// Which WAL an archive has, as runs of segments without a gap, and what is missing between them. Pure: names come in as a
// listing gives them, mostly in order, so that an archive of any length is a few numbers in memory.
import { formatSegmentName, segmentNameFits, segmentPosition, type SegmentName } from "#postgres/segment.ts";
import type { WalGap } from "../recovery-window.ts";

export interface MissingWal {
  /** Up to where there is none at all; absent of an archive that begins with the first segment of all. */
  readonly before?: WalGap;
  /** Between its first and its last segment, oldest first. */
  readonly between: readonly WalGap[];
}

interface Run {
  readonly timeline: number;
  readonly from: number;
  to: number;
}

const runsMax = 2_000;
/** Segments are pushed side by side: the last ones may arrive in another order. */
const underWay = 128;

export class WalRuns {
  readonly #runs: Run[] = [];
  readonly #segmentBytes: number;

  constructor(segmentBytes: number) {
    this.#segmentBytes = segmentBytes;
  }

  /** Throws RangeError when there are too many runs to tell. */
  add(name: SegmentName): void {
    if (!segmentNameFits(name, this.#segmentBytes)) return;
    const { timeline, segment } = segmentPosition(name, this.#segmentBytes);
    const at = Number(segment);
    const last = this.#runs.at(-1);
    if (last?.timeline === timeline && at >= last.from && at <= last.to + 1) last.to = Math.max(last.to, at);
    else if (this.#runs.length >= runsMax) throw new RangeError(`the archive has more than ${runsMax} gaps`);
    else this.#runs.push({ timeline, from: at, to: at });
  }

  /**
   * A timeline goes on where the one before it ends, or before that; only its last segment is archived unfinished, under
   * another name. `settled`: what is missing behind it, near the end, may be under way.
   */
  missing(settled: SegmentName | undefined): MissingWal {
    const runs = this.#runs.toSorted((a, b) => a.timeline - b.timeline || a.from - b.from);
    const [first] = runs;
    if (first === undefined) return { between: [] };
    const end = runs.at(-1);
    const between: WalGap[] = [];
    let last = first;
    for (const run of runs.slice(1)) {
      if (run.from > last.to + 1) {
        const gap = { first: this.#name(last.timeline, last.to + 1), last: this.#name(run.timeline, run.from - 1) };
        const isNearEnd = run.timeline === end?.timeline && run.from > end.to - underWay;
        if (!isNearEnd || (settled !== undefined && gap.last < settled)) between.push(gap);
      }
      last = run.timeline === last.timeline && run.to < last.to ? last : run;
    }
    return first.from === 0
      ? { between }
      : { before: { first: this.#name(1, 0), last: this.#name(first.timeline, first.from - 1) }, between };
  }

  #name(timeline: number, segment: number): SegmentName {
    return formatSegmentName({ timeline, segment: BigInt(segment) }, this.#segmentBytes);
  }
}
