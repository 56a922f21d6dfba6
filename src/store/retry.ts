// The decorator that makes an ObjectStore of a driver: every request is tried again after a transient failure, under a
// deadline for each try and one for all. An opened body is never read again from the start: its reader sees the error.
import { delay, within } from "#std/abort.ts";
import { retry } from "#std/backoff.ts";
import type { PartUpload, StoreDriver } from "./driver.ts";
import { isStoreError, StoreError } from "./errors.ts";
import type { ListEntry, ListOptions, ObjectStore, UploadOptions } from "./store.ts";
import { sendParts } from "./upload.ts";

export interface StorePolicy {
  /** Tries of one request, the first included. */
  readonly attempts: number;
  /** Waits between them: from `firstMs`, doubled each time, at most `maxMs`. */
  readonly firstMs: number;
  readonly maxMs: number;
  /** How long a try may take to be answered, on top of the time its body needs at `bytesPerSecondLeast`. */
  readonly tryMs: number;
  /** The same for all tries of a request together. */
  readonly totalMs: number;
  /** A connection slower than this counts as broken. */
  readonly bytesPerSecondLeast: number;
  /** Average of what `upload` may send; unbounded when absent. */
  readonly bytesPerSecondMost?: number;
  /** Upper bound of `parallel` in `upload`. */
  readonly parallelMost?: number;
  /** Told when the provider refuses the login. */
  readonly onDenied?: () => void;
  /** Told of each failed try that is followed by another. */
  readonly onRetry?: (error: unknown, attempt: number, delayMs: number) => void;
}

export const defaultPolicy: StorePolicy = {
  attempts: 4,
  firstMs: 250,
  maxMs: 4_000,
  tryMs: 30_000,
  totalMs: 120_000,
  bytesPerSecondLeast: 256 * 1024,
};

/** S3 DeleteObjects takes this many keys. */
const deleteBatch = 1000;

interface Request {
  /** What it does to what, for messages: "put s3://bucket/key". */
  readonly doing: string;
  readonly signal: AbortSignal;
  /** Size of the body that it sends. */
  readonly bytes?: number;
}

type Attempt = <T>(request: Request, call: (signal: AbortSignal) => Promise<T>) => Promise<T>;
type Pace = (bytes: number, signal: AbortSignal) => Promise<void>;

export function createStore(driver: StoreDriver, policy: StorePolicy = defaultPolicy): ObjectStore {
  let closed = false;
  const attempt: Attempt = (request, call) => {
    if (closed) throw new Error(`${request.doing}: the store is closed`);
    return attemptWith(policy, request, call);
  };
  const at = (key: string): string => `${driver.location}/${key}`;
  const pace = createPace(policy.bytesPerSecondMost);
  return {
    location: driver.location,
    get conditionalPut() {
      return driver.conditionalPut;
    },
    ...(driver.probe && { probe: driver.probe }),
    put: async (key, body, options) => {
      const request = { doing: `put ${at(key)}`, signal: options.signal, bytes: body.byteLength };
      await attempt(request, (signal) => driver.put(key, body, { ...options, signal }));
    },
    upload: async (key, parts, options) => {
      const request = { doing: `begin upload of ${at(key)}`, signal: options.signal };
      const upload = await attempt(request, (signal) => driver.beginUpload(key, { ...options, signal }));
      return sendParts(retrying(at(key), upload, { attempt, pace }), parts, bounded(options, policy));
    },
    get: async (key, options) =>
      attempt({ doing: `get ${at(key)}`, signal: options.signal }, (signal) => driver.get(key, { ...options, signal })),
    head: async (key, options) =>
      attempt({ doing: `head ${at(key)}`, signal: options.signal }, (signal) => driver.head(key, { signal })),
    list: (prefix, options) => listPages({ driver, attempt }, prefix, options),
    delete: async (keys, options) => {
      for (let from = 0; from < keys.length; from += deleteBatch) {
        const batch = keys.slice(from, from + deleteBatch);
        const request = { doing: `delete ${batch.length} objects of ${driver.location}`, signal: options.signal };
        await attempt(request, (signal) => driver.delete(batch, { signal }));
      }
    },
    close: () => {
      closed = true;
      driver.close();
    },
  };
}

async function attemptWith<T>(
  policy: StorePolicy,
  request: Request,
  call: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const bodyMs = ((request.bytes ?? 0) / policy.bytesPerSecondLeast) * 1000;
  const tryMs = policy.tryMs + bodyMs;
  const totalMs = policy.totalMs + 2 * bodyMs;
  const isTransient = (error: unknown): boolean => error instanceof StoreError && error.transient;
  let lastFailure: unknown;
  const tries = (whole: AbortSignal): Promise<T> => {
    const oneTry = async (): Promise<T> => {
      const failed = new AbortController();
      try {
        return await within(tryMs, whole, (signal) => call(AbortSignal.any([signal, failed.signal])));
      } catch (error) {
        // A refusal can come before the body is sent: the rest of it would go on beside the next try, out of memory that
        // its owner may use again once that one has succeeded.
        failed.abort(new Error(`${request.doing} has failed`));
        if (isStoreError(error, "AccessDenied")) policy.onDenied?.();
        lastFailure = isOwnTimeout(error) ? unanswered(request.doing, Math.min(tryMs, totalMs), error) : error;
        throw lastFailure;
      }
    };
    return retry(oneTry, { ...policy, signal: whole, isTransient });
  };
  try {
    return await within(totalMs, request.signal, tries);
  } catch (error) {
    request.signal.throwIfAborted();
    // When the time for all tries runs out between two of them, the last failure says more than that.
    throw isOwnTimeout(error) ? (lastFailure ?? error) : error;
  }
}

const isOwnTimeout = (error: unknown): boolean => error instanceof DOMException && error.name === "TimeoutError";

const unanswered = (doing: string, ms: number, cause: unknown): StoreError => {
  const time = ms < 1000 ? `${ms} ms` : `${Math.round(ms / 1000)} s`;
  return new StoreError("EndpointUnreachable", `${doing}: no answer within ${time}`, { cause });
};

/** The same upload, each of its requests tried again by itself. */
function retrying(
  place: string,
  upload: PartUpload,
  { attempt, pace }: { readonly attempt: Attempt; readonly pace: Pace },
): PartUpload {
  return {
    putPart: async (number, body, { signal }) => {
      await pace(body.byteLength, signal);
      const request = { doing: `put part ${number} of ${place}`, signal, bytes: body.byteLength };
      await attempt(request, (signal) => upload.putPart(number, body, { signal }));
    },
    complete: async ({ signal }) =>
      attempt({ doing: `complete upload of ${place}`, signal }, (signal) => upload.complete({ signal })),
    abort: async ({ signal }) =>
      attempt({ doing: `abort upload of ${place}`, signal }, (signal) => upload.abort({ signal })),
  };
}

const bounded = (options: UploadOptions, policy: StorePolicy): UploadOptions => ({
  ...options,
  parallel: Math.min(options.parallel, policy.parallelMost ?? Number.POSITIVE_INFINITY),
});

async function* listPages(
  { driver, attempt }: { readonly driver: StoreDriver; readonly attempt: Attempt },
  prefix: string,
  options: ListOptions,
): AsyncIterable<ListEntry> {
  let from: string | undefined;
  do {
    const request = { doing: `list ${driver.location}/${prefix}`, signal: options.signal };
    const position = from === undefined ? {} : { from };
    const page = await attempt(request, (signal) => driver.listPage(prefix, { ...options, ...position, signal }));
    yield* page.entries;
    from = page.next;
  } while (from !== undefined);
}

/** Lets bytes pass at `bytesPerSecond` on average: each call waits until what passed before it has been paid for. */
function createPace(bytesPerSecond: number | undefined): Pace {
  if (bytesPerSecond === undefined) return async () => undefined;
  let paidAtMs = 0;
  return async (bytes, signal) => {
    const nowMs = performance.now();
    const waitMs = Math.max(0, paidAtMs - nowMs);
    paidAtMs = nowMs + waitMs + (bytes / bytesPerSecond) * 1000;
    if (waitMs > 0) await delay(waitMs, signal);
  };
}
