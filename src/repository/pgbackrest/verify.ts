// Reads every file of a repository and compares it with what was recorded, by pgBackRest's `verify`. It costs reading the
// whole repository. The program ends well whatever it finds, so the verdict is in its text (pgBackRest:
// src/command/verify/verify.c; the same from 2.45 to 2.60).
import type { Pgbackrest } from "./pgbackrest.ts";
import { withoutRemarks } from "./warnings.ts";

export interface FileErrors {
  readonly missing: number;
  readonly checksum: number;
  readonly size: number;
  readonly other: number;
}

export interface VerifiedBackup extends FileErrors {
  readonly id: string;
  /** "in-progress": it is being made, and was left out. */
  readonly state: "valid" | "invalid" | "manifest missing" | "in-progress";
  readonly filesChecked: number;
  readonly filesValid: number;
}

export interface VerifiedArchive extends FileErrors {
  /** "15-1" */
  readonly id: string;
  readonly segmentsChecked: number;
  readonly segmentsValid: number;
}

export interface VerifyReport {
  /** "Unknown": it gave no verdict, or there was nothing to read. */
  readonly state: "Passed" | "Failed" | "Unknown";
  /** What is wrong, or how much was read, in one line. */
  readonly message: string;
  readonly backups: readonly VerifiedBackup[];
  readonly archives: readonly VerifiedArchive[];
}

export interface VerifyOptions {
  readonly repository: number;
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
}

/** Throws PgbackrestError when it could not be run to its end: then nothing is known. */
export async function verifyRepository(
  pgbackrest: Pgbackrest,
  { repository, deadlineMs, signal }: VerifyOptions,
): Promise<VerifyReport> {
  const { stdout } = await pgbackrest.run("verify", {
    options: ["--output=text", "--verbose", "--log-level-console=off"],
    repository,
    deadlineMs,
    signal,
  });
  return parseVerify(withoutRemarks(stdout));
}

const noErrors: FileErrors = { missing: 0, checksum: 0, size: 0, other: 0 };

/** Pure. */
export function parseVerify(text: string): VerifyReport {
  const backups: VerifiedBackup[] = [];
  const archives: VerifiedArchive[] = [];
  const others: string[] = [];
  let status: string | undefined;
  let last: VerifiedBackup[] | VerifiedArchive[] | undefined;
  for (const line of text.split("\n")) {
    status ??= /^status: (\w+)$/.exec(line.trim())?.[1];
    const backup =
      /^ +backup: (\S+), status: (valid|invalid|manifest missing|in-progress), total files checked: (\d+), total valid files: (\d+)/.exec(
        line,
      );
    const archive = /^ +archiveId: (\S+), total WAL checked: (\d+), total valid WAL: (\d+)/.exec(line);
    const errors = errorsIn(line);
    if (backup !== null) {
      const [, id = "", state, checked, valid] = backup;
      const counts = { filesChecked: Number(checked), filesValid: Number(valid) };
      backups.push({ id, state: state as VerifiedBackup["state"], ...counts, ...noErrors });
      last = backups;
    } else if (archive !== null) {
      const [, id = "", checked, valid] = archive;
      archives.push({ id, segmentsChecked: Number(checked), segmentsValid: Number(valid), ...noErrors });
      last = archives;
    } else if (errors !== undefined && last !== undefined) {
      Object.assign(last.at(-1) ?? {}, errors);
    } else if (/^ +\S/.test(line) && !/none found/.test(line)) {
      others.push(line.trim());
    }
  }
  return { ...verdict({ status, backups, archives, others }), backups, archives };
}

function errorsIn(line: string): Partial<FileErrors> | undefined {
  if (!/^ {4}(missing|checksum invalid|size invalid|other): \d+/.test(line)) return undefined;
  const count = (name: string): number => Number(new RegExp(`${name}: (\\d+)`).exec(line)?.[1] ?? 0);
  return {
    missing: count("missing"),
    checksum: count("checksum invalid"),
    size: count("size invalid"),
    other: count("other"),
  };
}

interface Found extends Pick<VerifyReport, "backups" | "archives"> {
  readonly status: string | undefined;
  readonly others: readonly string[];
}

function verdict({ status, backups, archives, others }: Found): Pick<VerifyReport, "state" | "message"> {
  const wrong = [
    ...backups
      .filter(({ state }) => state === "invalid" || state === "manifest missing")
      .map((backup) => `backup ${backup.id} is ${backup.state === "invalid" ? describe(backup) : "without manifest"}`),
    ...archives
      .filter((archive) => total(archive) > 0)
      .map((archive) => `archive ${archive.id} is ${describe(archive)}`),
    ...others,
  ];
  if (status === "error" || wrong.length > 0) {
    const more = wrong.length > 3 ? ` and ${wrong.length - 3} more` : "";
    return { state: "Failed", message: `${wrong.slice(0, 3).join("; ") || "verify reports an error"}${more}` };
  }
  const [files, segments] = [
    backups.reduce((sum, { filesChecked }) => sum + filesChecked, 0),
    archives.reduce((sum, { segmentsChecked }) => sum + segmentsChecked, 0),
  ];
  if (status !== "ok") return { state: "Unknown", message: "verify gave no verdict" };
  if (files + segments === 0) return { state: "Unknown", message: "there was nothing to verify" };
  return { state: "Passed", message: `${files} files of ${backups.length} backups and ${segments} segments are whole` };
}

const total = ({ missing, checksum, size, other }: FileErrors): number => missing + checksum + size + other;

function describe({ missing, checksum, size, other }: FileErrors): string {
  const parts = Object.entries({
    missing,
    "with a wrong checksum": checksum,
    "of a wrong size": size,
    unreadable: other,
  })
    .filter(([, count]) => count > 0)
    .map(([what, count]) => `${count} ${what}`);
  return `damaged (${parts.join(", ") || "no detail"})`;
}
