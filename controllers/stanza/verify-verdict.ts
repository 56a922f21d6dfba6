// The verdict of a verification, from the program that reads the repositories to the operator: by the termination message of
// its pod, which has room for 4096 bytes. Pure.
import type { VerifyReport } from "#repository/pgbackrest/verify.ts";

export interface VerifyVerdict {
  /** "Unknown" when a repository could not be read to its end, or gave no verdict. */
  readonly state: "Passed" | "Failed" | "Unknown";
  readonly message: string;
  /** The places of the repositories with damage; absent where that does not fit. */
  readonly damaged?: readonly string[];
}

/** Of one repository, at its place. */
export type RepositoryVerdict = Pick<VerifyReport, "state" | "message"> & { readonly location?: string };

const messageMax = 1_500;
const damagedMax = 32;
/** Of the termination message, beside a message whose every character takes two bytes. */
const damagedBytesMax = 900;

/** Damage anywhere is the verdict; else what could not be read keeps the rest from being one. */
export function verdictOf(reports: ReadonlyMap<number, RepositoryVerdict>): VerifyVerdict {
  const states = [...reports.values()].map(({ state }) => state);
  const state = states.includes("Failed")
    ? "Failed"
    : states.length === 0 || states.includes("Unknown")
      ? "Unknown"
      : "Passed";
  const message = [...reports].map(([key, { message: said }]) => `repository ${key}: ${said}`).join("; ");
  const failed = [...reports.values()].filter((report) => report.state === "Failed");
  const damaged = failed.flatMap(({ location }) => location ?? []);
  const isTold = damaged.length > 0 && damaged.length === failed.length && fits(damaged);
  return { state, message: message.slice(0, messageMax), ...(isTold && { damaged }) };
}

const fits = (damaged: readonly string[]): boolean =>
  damaged.length <= damagedMax && Buffer.byteLength(JSON.stringify(damaged)) <= damagedBytesMax;

export const formatVerdict = (verdict: VerifyVerdict): string => JSON.stringify(verdict);

/** Undefined when it is not one: the program did not come to its end. */
export function parseVerdict(text: string | undefined): VerifyVerdict | undefined {
  try {
    const { state, message, damaged } = JSON.parse(text ?? "") as Partial<Record<keyof VerifyVerdict, unknown>>;
    const isKnown = state === "Passed" || state === "Failed" || state === "Unknown";
    if (!isKnown || typeof message !== "string") return undefined;
    const told = placesIn(damaged);
    return { state, message: message.slice(0, messageMax), ...(told && { damaged: told }) };
  } catch {
    return undefined;
  }
}

const placesIn = (damaged: unknown): readonly string[] | undefined =>
  Array.isArray(damaged) && damaged.every((place) => typeof place === "string") && fits(damaged) ? damaged : undefined;
