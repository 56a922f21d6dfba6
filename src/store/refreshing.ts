// The sidecar's memory of its stores. What has been read once is kept and used whatever happens to the API server; it is
// looked at again in the background while it is in use, and at once when the provider refuses the login.
//
//   nothing ──first get──▶ loading ──▶ held ──30 s, or invalidated──▶ held and refreshing ──▶ held
//                             └─ fails: tells what, forgets                └─ fails: keeps what it has
import type { Logger } from "#observe/logger.ts";
import { waitFor, within } from "#std/abort.ts";
import { retry } from "#std/backoff.ts";
import { type HasCredentials, sameButKeys, sameConfig, type StoreConfig, StoreConfigError } from "./config.ts";
import type { CallOptions, ObjectStore } from "./store.ts";

/** Age at which what is held is looked at again, in the background. */
const refreshAfterMs = 30_000;
/** Age at which that is waited for: a store that was not used for a while may have moved. */
const staleAfterMs = 90_000;
const staleWaitMs = 1_000;
/** Refusals come with every call; they do not make more reads than this. */
const invalidatedGapMs = 2_000;
/** How long the first load may go on trying, and a refresh may take. */
const firstLoadMs = 30_000;
const refreshMs = 10_000;

interface Closable {
  close(): void;
}

export interface OpenedStore<Config = StoreConfig, Store = ObjectStore> {
  /** Stays the same object while nothing but the keys change; its next request uses the new ones. */
  readonly store: Store;
  readonly config: Config;
  /** Grows with every change of the store other than of its keys. */
  readonly generation: number;
  /** Aborts when the store has been read anew with such a change: whoever waits for this one had better ask again. */
  readonly superseded: AbortSignal;
}

export interface StoreSource<Config = StoreConfig, Store = ObjectStore> {
  /**
   * The store as last read. Rejects only when it has never been read: with a StoreConfigError that names what failed, or
   * with the signal's reason.
   */
  get(name: string, options: CallOptions): Promise<OpenedStore<Config, Store>>;
  /**
   * The store as it is now: read for this call. Rejects with what stands in the way of that, while `get` goes on with what
   * was read before.
   */
  reload(name: string, options: CallOptions): Promise<OpenedStore<Config, Store>>;
  /** What is held may be outdated: the next `get` reads it again. */
  invalidate(name: string): void;
  /** The store is no more. Whoever holds it is left to end; the next `get` reads one that has its name. */
  forget(name: string): void;
  /** Closes all stores. */
  close(): void;
}

export interface StoreSourceOptions<Config extends HasCredentials = StoreConfig, Store extends Closable = ObjectStore> {
  /** Reads a store and its Secrets. Errors with `transient` true are tried again on the first load. */
  readonly load: (name: string, signal: AbortSignal) => Promise<Config>;
  /** openStore of open.ts, or what does the same. */
  readonly open: (config: Config, options: LoginOptions<Config>) => Promise<Store>;
  /** What it is called in messages: "object store" unless told. */
  readonly noun?: string;
  readonly logger: Logger;
  /** Milliseconds of a clock that only moves forward. */
  readonly now: () => number;
}

/** Which store it is, the login of its next request, and where a refusal of that is told. */
export interface LoginOptions<Config extends HasCredentials> {
  readonly name: string;
  readonly credentials: () => Config["credentials"];
  readonly onDenied: () => void;
}

interface Held<Config, Store> {
  opened: OpenedStore<Config, Store>;
  supersede: AbortController;
  readAtMs: number;
  triedAtMs: number;
  invalidated: boolean;
  refreshing: Promise<void> | undefined;
  /** Whether the last refresh failed: a failure is logged once, not every 30 s. */
  failing: boolean;
}

/** A load under way: what it met last, for those who do not wait for its end. */
interface FirstLoad<Config, Store> {
  readonly held: Promise<Held<Config, Store>>;
  readonly lastFailure: () => unknown;
}

export function createStoreSource<Config extends HasCredentials = StoreConfig, Store extends Closable = ObjectStore>({
  load,
  open,
  logger,
  now,
  noun = "object store",
}: StoreSourceOptions<Config, Store>): StoreSource<Config, Store> {
  type HeldStore = Held<Config, Store>;
  const stores = new Map<string, HeldStore>();
  const firstLoads = new Map<string, FirstLoad<Config, Store>>();
  const closing = new AbortController();

  /** Every request asks for the login, which makes it a use of the store like `get`. */
  async function openWith(
    name: string,
    config: Config,
    generation: number,
  ): Promise<Pick<HeldStore, "opened" | "supersede">> {
    const login = (): Config["credentials"] => {
      const held = stores.get(name);
      if (held === undefined || held.opened.generation !== generation) return last.credentials;
      refreshIfDue(name, held);
      last = held.opened.config;
      return last.credentials;
    };
    let last = config;
    const store = await open(config, { name, credentials: login, onDenied: () => denied(name) });
    const supersede = new AbortController();
    return { opened: { store, config, generation, superseded: supersede.signal }, supersede };
  }

  function beginFirstLoad(name: string): FirstLoad<Config, Store> {
    let lastFailure: unknown;
    const keepTrying = (signal: AbortSignal): Promise<Config> => {
      const bounds = { attempts: Number.POSITIVE_INFINITY, firstMs: 250, maxMs: 4_000, signal, isTransient };
      return retry(() => load(name, signal), { ...bounds, onRetry: (error) => void (lastFailure = error) });
    };
    const run = async (): Promise<HeldStore> => {
      try {
        const config = await within(firstLoadMs, closing.signal, keepTrying);
        const opened = await openWith(name, config, 1);
        const times = { readAtMs: now(), triedAtMs: now() };
        const held: HeldStore = { ...opened, ...times, invalidated: false, refreshing: undefined, failing: false };
        stores.set(name, held);
        return held;
      } catch (error) {
        closing.signal.throwIfAborted();
        throw notReadable(`${noun} ${name}`, isTimeout(error) ? (lastFailure ?? error) : error);
      } finally {
        firstLoads.delete(name);
      }
    };
    const held = run();
    // Whoever asked may have stopped waiting; then there is nobody to tell.
    held.catch(() => undefined);
    const begun = { held, lastFailure: () => lastFailure };
    firstLoads.set(name, begun);
    return begun;
  }

  async function first(name: string, signal: AbortSignal): Promise<HeldStore> {
    const underWay = firstLoads.get(name) ?? beginFirstLoad(name);
    try {
      return await waitFor(underWay.held, signal);
    } catch (error) {
      const cause = underWay.lastFailure();
      throw isTimeout(error) && cause !== undefined ? notReadable(`${noun} ${name}`, cause) : error;
    }
  }

  async function readAgain(name: string, held: HeldStore): Promise<void> {
    held.invalidated = false;
    held.triedAtMs = now();
    try {
      const config = await within(refreshMs, closing.signal, (signal) => load(name, signal));
      await adopt(name, held, config);
      held.readAtMs = now();
      if (held.failing) logger.info({ store: name }, `${noun} can be read again`);
      held.failing = false;
    } catch (error) {
      if (!held.failing && !closing.signal.aborted) {
        logger.warn({ store: name, err: error }, `${noun} cannot be read again; the last settings stay in use`);
      }
      held.failing = true;
      throw error;
    }
  }

  /** In the background, where nobody hears of a failure. */
  function refresh(name: string, held: HeldStore): Promise<void> {
    const refreshing = readAgain(name, held)
      .catch(() => undefined)
      .finally(() => (held.refreshing = undefined));
    held.refreshing = refreshing;
    return refreshing;
  }

  async function adopt(name: string, held: HeldStore, config: Config): Promise<void> {
    const { opened } = held;
    if (sameConfig(config, opened.config)) return;
    if (sameButKeys(config, opened.config)) {
      held.opened = { ...opened, config };
      logger.info({ store: name }, `the keys of the ${noun} have changed`);
      return;
    }
    // Whoever holds the store of before may be in the middle of a backup: it is left to end where it began. Its
    // connections close by themselves when nobody uses them.
    const { supersede } = held;
    Object.assign(held, await openWith(name, config, opened.generation + 1));
    logger.info({ store: name, generation: held.opened.generation }, `the ${noun} has changed`);
    supersede.abort(new Error(`${noun} ${name} has changed`));
  }

  /** Begins a refresh when one is due; true when this call began it. */
  function refreshIfDue(name: string, held: HeldStore): boolean {
    const sinceTryMs = now() - held.triedAtMs;
    const isDue = sinceTryMs >= refreshAfterMs || (held.invalidated && sinceTryMs >= invalidatedGapMs);
    if (held.refreshing !== undefined || !isDue) return false;
    void refresh(name, held);
    return true;
  }

  async function get(name: string, { signal }: CallOptions): Promise<OpenedStore<Config, Store>> {
    signal.throwIfAborted();
    closing.signal.throwIfAborted();
    const held = stores.get(name) ?? (await first(name, signal));
    const isOutdated = held.invalidated || now() - held.readAtMs >= staleAfterMs;
    if (refreshIfDue(name, held) && isOutdated) await patiently(held.refreshing, signal);
    return held.opened;
  }

  async function reload(name: string, { signal }: CallOptions): Promise<OpenedStore<Config, Store>> {
    signal.throwIfAborted();
    closing.signal.throwIfAborted();
    const held = stores.get(name);
    if (held === undefined) return (await first(name, signal)).opened;
    // One that is under way may have begun before what the caller knows of; its end must not undo this one.
    if (held.refreshing !== undefined) await waitFor(held.refreshing, signal);
    const bounds = { attempts: 3, firstMs: 250, maxMs: 1_000, signal, isTransient };
    await retry(() => waitFor(readAgain(name, held), signal), bounds).catch((error: unknown) => {
      signal.throwIfAborted();
      throw notReadable(`${noun} ${name}`, error);
    });
    return held.opened;
  }

  function invalidate(name: string): void {
    const held = stores.get(name);
    if (held !== undefined) held.invalidated = true;
  }

  function denied(name: string): void {
    const held = stores.get(name);
    if (held === undefined) return;
    held.invalidated = true;
    refreshIfDue(name, held);
  }

  return {
    get,
    reload,
    invalidate,
    forget: (name) => void stores.delete(name),
    close: () => {
      closing.abort(new Error("the stores are closed"));
      for (const { opened } of stores.values()) opened.store.close();
    },
  };
}

/** Waits a short while for work that goes on anyway; only the caller's own abort ends this with an error. */
async function patiently(work: Promise<void> | undefined, signal: AbortSignal): Promise<void> {
  try {
    await within(staleWaitMs, signal, (limited) => waitFor(Promise.resolve(work), limited));
  } catch (error) {
    signal.throwIfAborted();
    if (!isTimeout(error)) throw error;
  }
}

const isTransient = (error: unknown): boolean =>
  error instanceof Error && "transient" in error && error.transient === true;

const isTimeout = (error: unknown): boolean => error instanceof Error && error.name === "TimeoutError";

function notReadable(store: string, cause: unknown): Error {
  if (cause instanceof StoreConfigError) return cause;
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new StoreConfigError("Unavailable", `${store} cannot be read: ${reason}`, { cause });
}
