// One `up`, `deploy` or `down` at a time on a machine, and one build a cache. A lock is an abstract unix socket: the kernel
// frees it when its holder ends, however it ends, and it is no file that could be left behind.
import { createServer, type Server } from "node:net";
import { shortHash } from "./cache.ts";
import { cacheRoot, stateRoot } from "./paths.ts";
import { type Run, until } from "./run.ts";

/** What two processes must not work on at once. */
export type Guarded = "cluster" | "cache";

const addressOf = (what: Guarded): string =>
  `\0holdfast-${what}-${shortHash(what === "cluster" ? stateRoot : cacheRoot)}`;

const patienceMs = 30 * 60_000;

const tryListen = async (server: Server, address: string): Promise<boolean> => {
  const { promise, resolve, reject } = Promise.withResolvers<boolean>();
  server.once("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EADDRINUSE") resolve(false);
    else reject(error);
  });
  server.listen(address, () => resolve(true));
  return promise;
};

/** Waits for any other process's turn to end, for half an hour at most (a first build takes long), then does the work. */
export const alone = async <T>(what: Guarded, run: Run, work: () => Promise<T>): Promise<T> => {
  const server = createServer();
  if (!(await tryListen(server, addressOf(what)))) {
    run.say(`another process is at work on the ${what}: waiting for it`);
    await until("the other process to finish", () => tryListen(server, addressOf(what)), {
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
