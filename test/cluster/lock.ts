// One `up`, `deploy` or `down` at a time on a machine. The lock is an abstract unix socket: the kernel frees it when its
// holder ends, however it ends, and it is no file that could be left behind.
import { createServer } from "node:net";
import { type Run, until } from "./run.ts";

const address = "\0holdfast-cluster";
const patienceMs = 30 * 60_000;

const tryListen = async (server: ReturnType<typeof createServer>): Promise<boolean> => {
  const { promise, resolve, reject } = Promise.withResolvers<boolean>();
  server.once("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EADDRINUSE") resolve(false);
    else reject(error);
  });
  server.listen(address, () => resolve(true));
  return promise;
};

/** Waits for any other process's turn to end, for half an hour at most (a first build takes long), then does the work. */
export const alone = async <T>(run: Run, work: () => Promise<T>): Promise<T> => {
  const server = createServer();
  if (!(await tryListen(server))) {
    run.say("another process is at work on the cluster: waiting for it");
    await until("the other process to finish", () => tryListen(server), {
      signal: run.signal,
      timeoutMs: patienceMs,
      intervalMs: 500,
    });
  }
  try {
    return await work();
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
};
