// Ends a process on SIGTERM and SIGINT by one signal that everything hangs on; as PID 1 a process has no default action.

export function stopSignal(): AbortSignal {
  const stop = new AbortController();
  for (const name of ["SIGTERM", "SIGINT"] as const)
    process.once(name, () => stop.abort(new Error(`stopped by ${name}`)));
  return stop.signal;
}
