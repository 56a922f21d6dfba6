// Follows what pgBackRest says while it makes a backup: how far it is, what it warns of, and in the end which label the
// backup has. Told by itself, the label needs no look at what the repository held before.
import type { Logger } from "#observe/logger.ts";
import { createProgress, type Progress } from "./progress.ts";

export interface CopyOptions {
  /** How much it will copy, until pgBackRest tells. */
  readonly bytesGuess: number;
  readonly onProgress: ((progress: Progress) => void) | undefined;
  readonly logger: Pick<Logger, "warn">;
}

export interface Copy {
  /** Takes a line of the standard output, at level "detail". */
  readonly read: (line: string) => void;
  /** Of the backup that was made; undefined before its end. */
  readonly label: () => string | undefined;
}

const progressEveryMs = 500;
/** The same words from 2.45 to 2.60. */
const labelPattern = /^P0+ +INFO: new backup label = (\S+)$/;

/** Progress is told twice a second at most. */
export function followCopy({ bytesGuess, onProgress, logger }: CopyOptions): Copy {
  const follow = createProgress(bytesGuess);
  let toldAt = -Infinity;
  let label: string | undefined;
  const read = (line: string): void => {
    const progress = follow(line);
    if (progress === undefined) {
      label = labelPattern.exec(line)?.[1] ?? label;
      if (/^P\d+ +WARN:/.test(line)) logger.warn({ said: line }, "pgbackrest warns");
      return;
    }
    const now = performance.now();
    if (now - toldAt < progressEveryMs) return;
    toldAt = now;
    onProgress?.(progress);
  };
  return { read, label: () => label };
}
