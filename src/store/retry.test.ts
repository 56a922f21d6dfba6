import { describe, expect, it } from "vitest";
import type { ListPage, StoreDriver } from "./driver.ts";
import { StoreError, type StoreErrorKind } from "./errors.ts";
import { createStore, defaultPolicy, type StorePolicy } from "./retry.ts";
import type { CallOptions, ListEntry, ObjectStore } from "./store.ts";

const signal = new AbortController().signal;
const unreachable = (): StoreError => new StoreError("EndpointUnreachable", "connection refused");

/** A store over a driver of which every call fails, unless given; its waits are too short to notice. */
function aStore(calls: Partial<StoreDriver>, overrides: Partial<StorePolicy> = {}): ObjectStore {
  const refuse = (): Promise<never> => Promise.reject(new Error("not expected"));
  const refusing = { put: refuse, beginUpload: refuse, get: refuse, head: refuse, listPage: refuse, delete: refuse };
  const driver = { location: "s3://bucket", conditionalPut: true, close: () => undefined, ...refusing, ...calls };
  return createStore(driver, { ...defaultPolicy, firstMs: 1, maxMs: 2, ...overrides });
}

/** Answers each call with the next of `outcomes`. */
const inTurn = <T>(...outcomes: readonly (T | StoreError)[]) => {
  const rest = [...outcomes];
  return async (): Promise<T> => {
    const outcome = rest.shift();
    if (outcome instanceof StoreError) throw outcome;
    return outcome as T;
  };
};

/** Ends only with its signal. */
const hang = (_: unknown, { signal }: CallOptions): Promise<never> =>
  new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));

const object = (key: string): ListEntry => ({ kind: "object", key, size: 1, lastModified: new Date(0) });

describe("retries", () => {
  it("try again what time may mend, and tell of it", async () => {
    const told: unknown[] = [];
    const head = inTurn<undefined>(unreachable(), unreachable(), undefined);
    const store = aStore({ head }, { onRetry: (_, attempt) => told.push(attempt) });
    expect(await store.head("key", { signal })).toBeUndefined();
    expect(told).toEqual([1, 2]);
  });

  it("give up after the last try with what it met", async () => {
    const last = new StoreError("Throttled", "slow down");
    const store = aStore({ put: inTurn<void>(unreachable(), unreachable(), unreachable(), last) });
    await expect(store.put("key", Buffer.from("x"), { signal })).rejects.toBe(last);
  });

  const lasting: readonly StoreErrorKind[] = [
    "AccessDenied",
    "NoSuchBucket",
    "AlreadyExists",
    "NotFound",
    "Unsupported",
  ];
  it.each(lasting)("leave %s alone: no time mends it", async (kind) => {
    const store = aStore({ put: inTurn<void>(new StoreError(kind, "no"), undefined) });
    await expect(store.put("key", Buffer.from("x"), { signal })).rejects.toMatchObject({ kind });
  });

  it("end with the caller's reason as soon as that aborts", async () => {
    const controller = new AbortController();
    const reason = new Error("shutting down");
    const onRetry = (_: unknown, attempt: number): void => void (attempt === 3 && controller.abort(reason));
    const store = aStore({ head: () => Promise.reject(unreachable()) }, { attempts: 1000, onRetry });
    await expect(store.head("key", { signal: controller.signal })).rejects.toBe(reason);
  });

  it("ask again for the page that failed, not for those before", async () => {
    const asked: (string | undefined)[] = [];
    const answer = inTurn<ListPage>({ entries: [object("a")], next: "2" }, unreachable(), { entries: [object("b")] });
    const listPage: StoreDriver["listPage"] = (_, options) => {
      asked.push(options.from);
      return answer();
    };
    const keys: string[] = [];
    for await (const entry of aStore({ listPage }).list("", { signal }))
      keys.push(entry.kind === "object" ? entry.key : "");
    expect({ keys, asked }).toEqual({ keys: ["a", "b"], asked: [undefined, "2", "2"] });
  });

  it("send a failed part of an upload again by itself", async () => {
    const putPart = inTurn<void>(unreachable(), undefined);
    const upload = { putPart, complete: inTurn<void>(unreachable(), undefined), abort: inTurn<void>() };
    const parts = async function* (): AsyncIterable<Uint8Array> {
      yield Buffer.from("only");
    };
    const store = aStore({ beginUpload: async () => upload });
    expect(await store.upload("key", parts(), { signal, parallel: 2 })).toBe(4);
  });

  it("delete many keys in batches that the provider takes", async () => {
    const batches: number[] = [];
    const store = aStore({ delete: async (keys) => void batches.push(keys.length) });
    await store.delete(Array.from({ length: 2001 }, String), { signal });
    expect(batches).toEqual([1000, 1000, 1]);
  });
});

describe("deadlines", () => {
  it("end a try that is not answered, and let the next one begin", async () => {
    let tries = 0;
    const head: StoreDriver["head"] = (key, options) => (++tries < 3 ? hang(key, options) : Promise.resolve(undefined));
    expect(await aStore({ head }, { tryMs: 10 }).head("key", { signal })).toBeUndefined();
    expect(tries).toBe(3);
  });

  it("name what was not answered", async () => {
    const expected = { kind: "EndpointUnreachable", message: "head s3://bucket/key: no answer within 20 ms" };
    await expect(aStore({ head: hang }, { tryMs: 20, attempts: 1 }).head("key", { signal })).rejects.toMatchObject(
      expected,
    );
  });

  it("bound all tries together, and then tell the last failure", async () => {
    const store = aStore(
      { head: () => Promise.reject(unreachable()) },
      { attempts: Number.POSITIVE_INFINITY, totalMs: 50 },
    );
    await expect(store.head("key", { signal })).rejects.toMatchObject({
      kind: "EndpointUnreachable",
      message: "connection refused",
    });
  });

  it("end a try that hangs when the time for all is over", async () => {
    const expected = { kind: "EndpointUnreachable", message: "head s3://bucket/key: no answer within 30 ms" };
    await expect(aStore({ head: hang }, { totalMs: 30 }).head("key", { signal })).rejects.toMatchObject(expected);
  });

  it("give a large body the time it needs", async () => {
    const put: StoreDriver["put"] = (key, _, options) => hang(key, options);
    const slow = { tryMs: 10, attempts: 1, bytesPerSecondLeast: 1000 };
    const expected = { message: "put s3://bucket/key: no answer within 60 ms" };
    await expect(aStore({ put }, slow).put("key", new Uint8Array(50), { signal })).rejects.toMatchObject(expected);
  });
});

describe("bounds of uploads", () => {
  it("hold the average bandwidth and the number of parts at once", async () => {
    let underWay = 0;
    let most = 0;
    const putPart = async (): Promise<void> => {
      most = Math.max(most, ++underWay);
      await new Promise((resolve) => setImmediate(resolve));
      underWay--;
    };
    const upload = { putPart, complete: async () => undefined, abort: async () => undefined };
    const parts = async function* (): AsyncIterable<Uint8Array> {
      for (let turn = 0; turn < 11; turn++) yield Buffer.alloc(500);
    };
    const store = aStore({ beginUpload: async () => upload }, { bytesPerSecondMost: 50_000, parallelMost: 2 });
    const began = performance.now();
    await store.upload("key", parts(), { signal, parallel: 8 });
    expect(performance.now() - began).toBeGreaterThan(95);
    expect(most).toBeLessThanOrEqual(2);
  });
});
