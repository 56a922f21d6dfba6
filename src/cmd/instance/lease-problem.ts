// What CNPG is told of a backup that the stanza's Lease stood in the way of: it may be tried again.
import { RpcError } from "#cnpgi/status-code.ts";
import { MutexBusyError, MutexLostError } from "#kube/mutex.ts";

export function leaseProblem(error: unknown): RpcError | undefined {
  if (error instanceof MutexBusyError)
    return new RpcError("RESOURCE_EXHAUSTED", `one works on a stanza at a time: ${error.message}`, { cause: error });
  const lost = lostLease(error);
  return lost && new RpcError("ABORTED", `the backup was given up: ${lost.message}`, { cause: error });
}

const depthMax = 5;

/** What ended pgBackRest, when that was the Lease. */
function lostLease(error: unknown): Error | undefined {
  let at = error;
  for (let depth = 0; at instanceof Error && depth < depthMax; depth++) {
    if (at instanceof MutexLostError || at instanceof MutexBusyError) return at;
    at = at.cause;
  }
  return undefined;
}
