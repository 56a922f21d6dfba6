// How far a backup or a restore is, from the lines that pgBackRest logs for each file at level "detail". The form has been
// the same from 2.45 to 2.60: "P01 DETAIL: backup file /pgdata/base/1/1255 (bundle 1/0, 8KB, 2.16%) checksum …". Pure.

export interface FileProgress {
  /** Of the file, rounded as it is printed. */
  readonly bytes: number;
  /** Of all files so far, 0 to 100. */
  readonly percent: number;
}

export interface Progress {
  readonly bytesDone: number;
  readonly bytesTotal: number;
}

const filePattern = /^P(?!0+ )\d+ +DETAIL: .*?([\d.]+)([KMG]?B), ([\d.]+)%\)/;
const powers = { B: 0, KB: 1, MB: 2, GB: 3 } as const;

/** Undefined for a line about anything else. */
export function parseFileProgress(line: string): FileProgress | undefined {
  const [, size, unit, percent] = filePattern.exec(line) ?? [];
  if (size === undefined || percent === undefined) return undefined;
  const bytes = Number(size) * 1024 ** powers[unit as keyof typeof powers];
  return { bytes: Math.round(bytes), percent: Math.min(100, Number(percent)) };
}

/** Below this the printed percentage is too coarse to tell the whole from. */
const percentLeast = 1;

/**
 * Sums up the files of a backup, of which nobody knows beforehand how much it copies: the whole follows from the
 * percentages, and is `bytesGuess` before they tell.
 */
export function createProgress(bytesGuess: number): (line: string) => Progress | undefined {
  let bytesDone = 0;
  return (line) => {
    const file = parseFileProgress(line);
    if (file === undefined) return undefined;
    bytesDone += file.bytes;
    const whole = file.percent < percentLeast ? bytesGuess : Math.round((bytesDone * 100) / file.percent);
    return { bytesDone, bytesTotal: Math.max(bytesDone, whole) };
  };
}
