// Which failures of an attempt may pass by themselves, and how long to wait before the next attempt. Pure.

/** What time mends: no answer, a process that ended, an instance that changed its role, WAL that came too late. */
const passingCodes: ReadonlySet<string> = new Set([
  "Unavailable",
  "Aborted",
  "Canceled",
  "DeadlineExceeded",
  "ResourceExhausted",
  "DataLoss",
]);

/** CNPG's own words for a sidecar or an instance manager that was not there, or not long enough. */
const passingWords = /instance manager was restarted|requested plugin is not available|connection (refused|reset)|EOF/i;

/** `error` as CNPG's status has it. A refusal with a reason (an unsupported setting, a foreign archive) stays one. */
export function mayPass(error: string): boolean {
  const code = /rpc error: code = (\w+) desc = /.exec(error)?.[1];
  return code === undefined ? passingWords.test(error) : passingCodes.has(code);
}

const firstWaitMs = 30_000;
const longestWaitMs = 600_000;

/** Half a minute after the first failed attempt, doubled with each, at most ten minutes. */
export const waitMs = (failedAttempts: number): number =>
  Math.min(longestWaitMs, firstWaitMs * 2 ** Math.min(Math.max(failedAttempts - 1, 0), 10));
