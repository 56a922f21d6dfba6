// The verdict of a verification, from the program that reads the repositories to the operator: by the termination message of
// its pod, which has room for 4096 bytes. Pure.
import type { VerifyReport } from "#repository/pgbackrest/verify.ts";

export interface VerifyVerdict {
  /** "Unknown" when a repository could not be read to its end, or gave no verdict. */
  readonly state: "Passed" | "Failed" | "Unknown";
  readonly message: string;
}

const messageMax = 1_500;

/** Damage anywhere is the verdict; else what could not be read keeps the rest from being one. */
export function verdictOf(reports: ReadonlyMap<number, Pick<VerifyReport, "state" | "message">>): VerifyVerdict {
  const states = [...reports.values()].map(({ state }) => state);
  const state = states.includes("Failed")
    ? "Failed"
    : states.length === 0 || states.includes("Unknown")
      ? "Unknown"
      : "Passed";
  const message = [...reports].map(([key, { message: said }]) => `repository ${key}: ${said}`).join("; ");
  return { state, message: message.slice(0, messageMax) };
}

export const formatVerdict = (verdict: VerifyVerdict): string => JSON.stringify(verdict);

/** Undefined when it is not one: the program did not come to its end. */
export function parseVerdict(text: string | undefined): VerifyVerdict | undefined {
  try {
    const { state, message } = JSON.parse(text ?? "") as Partial<Record<keyof VerifyVerdict, unknown>>;
    const isKnown = state === "Passed" || state === "Failed" || state === "Unknown";
    return isKnown && typeof message === "string" ? { state, message: message.slice(0, messageMax) } : undefined;
  } catch {
    return undefined;
  }
}
