import { Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import { checkNames, type Check } from "./check.ts";
import type { PartUpload, StoreDriver } from "./driver.ts";
import { StoreError, type StoreErrorKind } from "./errors.ts";
import { preflight } from "./preflight.ts";
import type { StoreProbe } from "./probe.ts";
import { createStore, defaultPolicy } from "./retry.ts";

const never = new AbortController().signal;
const key = ".holdfast-check/u";
const fail = (kind: StoreErrorKind) => (): Promise<never> => Promise.reject(new StoreError(kind, `no: ${kind}`));

const probe: StoreProbe = {
  address: { host: "minio", port: 9000, tls: true, style: "path", bucketNamedTwice: false },
  region: "us-east-1",
  ownEndpoint: true,
  resolve: async () => undefined,
  connect: async () => undefined,
  handshake: async () => undefined,
  speaksTls: async () => false,
  askBucket: async () => ({ clockAheadMs: 0 }),
  versioning: async () => false,
  objectLock: async () => ({ on: true, retention: "30 days, COMPLIANCE" }),
  sweep: async () => undefined,
};

/** A store in memory; `calls` replace its own, `asked` changes what its provider says. */
function aStore(calls: Partial<StoreDriver> = {}, asked: Partial<StoreProbe> | null = {}) {
  const objects = new Map<string, Uint8Array>();
  const head = (name: string, { length }: Uint8Array) => ({
    key: name,
    size: length,
    lastModified: new Date(0),
    metadata: {},
  });
  const driver: StoreDriver = {
    location: "s3://bucket",
    conditionalPut: true,
    ...(asked && { probe: { ...probe, ...asked } }),
    put: async (name, body) => void objects.set(name, body),
    beginUpload: async (name): Promise<PartUpload> => {
      let part: Uint8Array = new Uint8Array();
      return {
        putPart: async (_, body) => void (part = body),
        complete: async () => void objects.set(name, part),
        abort: async () => undefined,
      };
    },
    get: async (name) => {
      const body = objects.get(name);
      if (body === undefined) throw new StoreError("NotFound", `no ${name}`);
      return { ...head(name, body), body: Readable.from([body]) };
    },
    head: async (name) => (objects.has(name) ? head(name, objects.get(name) as Uint8Array) : undefined),
    listPage: async (prefix) => ({
      entries: [...objects]
        .filter(([name]) => name.startsWith(prefix))
        .map(([name, body]) => ({ kind: "object", ...head(name, body) })),
    }),
    delete: async (names) => names.forEach((name) => objects.delete(name)),
    close: () => undefined,
    ...calls,
  };
  return { objects, store: createStore(driver, { ...defaultPolicy, attempts: 1 }) };
}

const run = async (made: ReturnType<typeof aStore>, signal = never): Promise<Readonly<Record<string, Check>>> => {
  const checks = await preflight(made.store, { key, signal });
  return Object.fromEntries(checks.map((check) => [check.name, check]));
};
const statuses = (checks: Readonly<Record<string, Check>>) =>
  Object.fromEntries(Object.values(checks).map(({ name, status }) => [name, status]));

describe("a preflight", () => {
  it("runs every check once, in order, with its latency, and leaves nothing behind", async () => {
    const made = aStore();
    const checks = await preflight(made.store, { key, signal: never });
    expect(checks.map(({ name }) => name)).toEqual([...checkNames]);
    for (const check of checks) {
      expect(check).toMatchObject({ status: "Passed", reason: "Succeeded" });
      expect(check.latencyMs).toBeTypeOf("number");
    }
    expect(made.objects.size).toBe(0);
  });

  it("runs nothing after a check that did not pass, and says so", async () => {
    const made = aStore({}, { connect: fail("EndpointUnreachable") });
    const checks = await run(made);
    expect(checks["Resolve"]?.status).toBe("Passed");
    expect(checks["Connect"]).toMatchObject({ status: "Failed", reason: "EndpointUnreachable" });
    for (const name of checkNames.slice(2)) {
      expect(checks[name]).toMatchObject({
        status: "NotRun",
        reason: "NotChecked",
        message: "not run: Connect did not pass",
      });
    }
  });

  it("has no TLS to check over plain http, and goes on", async () => {
    const made = aStore({}, { address: { ...probe.address, tls: false }, handshake: fail("TLSVerificationFailed") });
    expect(statuses(await run(made))).toMatchObject({ TLS: "NotRun", List: "Passed", Delete: "Passed" });
  });

  it("stops at a certificate that cannot be trusted", async () => {
    const checks = await run(aStore({}, { handshake: fail("TLSVerificationFailed") }));
    expect(checks["TLS"]).toMatchObject({ status: "Failed", reason: "TLSVerificationFailed" });
    expect(checks["List"]?.status).toBe("NotRun");
  });

  it("of a key that may only read: reading is proven by there being no such object", async () => {
    expect(statuses(await run(aStore({ put: fail("AccessDenied") })))).toMatchObject({
      List: "Passed",
      Put: "Failed",
      Multipart: "NotRun",
      Get: "Passed",
      Delete: "NotRun",
    });
  });

  it("takes versioning and object lock as information: what may not be seen is no failure", async () => {
    const checks = await run(aStore({}, { versioning: fail("AccessDenied"), objectLock: fail("Unsupported") }));
    expect(statuses(checks)).toMatchObject({ Versioning: "Unknown", ObjectLock: "Unknown", Delete: "Passed" });
    expect((await run(aStore()))["ObjectLock"]?.message).toBe("on, objects are kept for 30 days, COMPLIANCE");
  });

  it("works on a store without a provider, and leaves out what only that can say", async () => {
    const checks = await run(aStore({}, null));
    expect(Object.keys(checks)).toEqual(["List", "Put", "Multipart", "Get", "Delete"]);
  });

  it("tells an object that stays after its removal, and one that holds other bytes", async () => {
    const kept = await run(aStore({ delete: async () => undefined }));
    expect(kept["Delete"]).toMatchObject({ status: "Failed", message: expect.stringContaining("still there") });
    const other = Buffer.from("something else");
    const get = async () => ({ key, size: 14, lastModified: new Date(0), metadata: {}, body: Readable.from([other]) });
    expect((await run(aStore({ get })))["Get"]).toMatchObject({ status: "Unknown", reason: "StoreError" });
  });
});

describe("what a preflight writes", () => {
  it("is removed when a check after it fails", async () => {
    for (const calls of [{ beginUpload: fail("Unsupported") }, { get: fail("Unavailable") }]) {
      const made = aStore(calls);
      expect(statuses(await run(made))).toMatchObject({ Put: "Passed", Delete: "Passed" });
      expect(made.objects.size).toBe(0);
    }
  });

  it("is removed when the answer to its writing was lost", async () => {
    const made = aStore({
      put: async (name, body) => {
        made.objects.set(name, body);
        throw new StoreError("EndpointUnreachable", "no answer");
      },
    });
    expect(statuses(await run(made))).toMatchObject({ Put: "Unknown", Delete: "NotRun" });
    expect(made.objects.size).toBe(0);
  });

  it("is removed when the preflight is aborted half-way, which ends it", async () => {
    const stop = new AbortController();
    const made = aStore({
      get: async (_, { signal }) => {
        stop.abort(new Error("another replica leads"));
        signal.throwIfAborted();
        throw new Error("not reached");
      },
    });
    await expect(run(made, stop.signal)).rejects.toThrow("another replica leads");
    expect(made.objects.size).toBe(0);
  });
});
