// A restore waits for a store that is away: failing would cost one of the few tries that the Job has.
import type { Logger } from "#observe/logger.ts";
import type { InstanceEntry } from "#engine/report/reporter.ts";
import { isPgbackrestError } from "#repository/pgbackrest/errors.ts";
import { within } from "#std/abort.ts";
import { retry } from "#std/backoff.ts";
import { isStoreConfigError } from "#store/config.ts";
import { StoreError } from "#store/errors.ts";
import type { OpenedStore, StoreSource } from "#store/refreshing.ts";

export type RunningRestore = NonNullable<InstanceEntry["restore"]>;

export interface Patience<Config, Store> {
  readonly stores: StoreSource<Config, Store>;
  readonly tell: (restore: RunningRestore) => void;
  readonly logger: Logger;
}

/** Opens the named store and uses it, again and again until that works or waiting is of no use. */
export const patiently = <Config, Store>(
  { stores, logger, tell }: Patience<Config, Store>,
  name: string,
  use: (opened: OpenedStore<Config, Store>) => Promise<void>,
  signal: AbortSignal,
): Promise<void> =>
  retry(async () => use(await within(30_000, signal, (limited) => stores.get(name, { signal: limited }))), {
    attempts: Infinity,
    firstMs: 1_000,
    maxMs: 15_000,
    signal,
    isTransient: isWorthWaiting,
    onRetry: (error) => {
      stores.invalidate(name);
      logger.warn({ err: error, store: name }, "restore waits");
      tell({ phase: "Waiting", message: messageOf(error) });
    },
  });

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Silence, and refusals that people mend while we wait: a wrong key, a missing bucket or Secret. */
function isWorthWaiting(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof StoreError) return !["NotFound", "AlreadyExists", "Unsupported"].includes(cause.kind);
    if (isPgbackrestError(cause)) return cause.transient;
    if (isStoreConfigError(cause)) return cause.kind !== "Unsupported" && cause.kind !== "InvalidSpec";
  }
  return false;
}
