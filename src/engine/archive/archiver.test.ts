import { readFile } from "node:fs/promises";
import { join } from "node:path";
import * as fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import { StoreError } from "#store/errors.ts";
import type { ObjectStore } from "#store/store.ts";
import { segmentNames, type Pgdata } from "#test/bench/wal-data.ts";
import {
  call,
  createFixture,
  eventually,
  first,
  frozenStore,
  mib,
  never,
  text,
  type Fixture,
} from "#test/bench/wal-fixture.ts";

let fixture: Fixture;
let pgdata: Pgdata;
let store: ObjectStore;
beforeEach(async () => {
  fixture = await createFixture();
  ({ pgdata, store } = fixture);
});

describe("a store that is away", () => {
  it("ends the call with a clear text when the store never answers", async () => {
    const archiver = fixture.archiver({ callMsMax: 300 });
    const failure = archiver.archive(await pgdata.add(first), fixture.locate({ store: await frozenStore() }), call());
    await expect(failure).rejects.toMatchObject({
      kind: "Unavailable",
      message: `archiving ${first} to s3://backups/pg/wals/ (store minio) did not succeed within 0.3 s: the store does not answer`,
    });
  });

  it("leaves it unknown how many files wait until they were counted", async () => {
    const archiver = fixture.archiver({ callMsMax: 300 });
    const path = await pgdata.add(first);
    expect(archiver.status()).not.toHaveProperty("ready");
    const failure = archiver.archive(path, fixture.locate({ store: await frozenStore() }), call());
    expect(archiver.status()).not.toHaveProperty("ready");
    await expect(failure).rejects.toMatchObject({ kind: "Unavailable" });
    await eventually(() => archiver.status().ready === 1);
  });

  it("tries transient failures again within the call", async () => {
    let failures = 3;
    const flaky: ObjectStore = {
      ...store,
      put: async (key, body, options) => {
        if (failures-- > 0) throw new StoreError("Unavailable", "slow down");
        return store.put(key, body, options);
      },
    };
    await fixture.archiver().archive(await pgdata.add(first), fixture.locate({ store: flaky }), call());
    expect(await fixture.archived()).toEqual([`${first}.zst`]);
  });

  it("names the last failure when time is up, and answers at once what only a person can mend", async () => {
    const failing = (kind: "Throttled" | "AccessDenied"): ObjectStore => ({
      ...store,
      get: () => Promise.reject(new StoreError(kind, `get owner.json: ${kind}`, { hint: "look at the Secret" })),
    });
    const archiver = fixture.archiver({ callMsMax: 300 });
    const path = await pgdata.add(first);
    await expect(archiver.archive(path, fixture.locate({ store: failing("Throttled") }), call())).rejects.toMatchObject(
      {
        kind: "Unavailable",
        message: text("within 0.3 s: get owner.json: Throttled"),
      },
    );
    await expect(
      archiver.archive(path, fixture.locate({ store: failing("AccessDenied") }), call()),
    ).rejects.toMatchObject({
      kind: "StoreRefused",
      hint: "look at the Secret",
      cause: { kind: "AccessDenied" },
    });
  });

  it("finishes an upload whose call has ended, and the next call finds it", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    let puts = 0;
    const slow: ObjectStore = {
      ...store,
      put: async (key, body, options) => {
        if (key.includes("/wals/")) {
          puts++;
          await promise;
        }
        await store.put(key, body, options);
      },
    };
    const archiver = fixture.archiver();
    const path = await pgdata.add(first);
    const cancel = new AbortController();
    const cancelled = archiver.archive(path, fixture.locate({ store: slow }), call({ signal: cancel.signal }));
    await eventually(() => puts === 1);
    cancel.abort();
    await expect(cancelled).rejects.toMatchObject({
      kind: "Unavailable",
      message: text("cancelled"),
    });
    const next = archiver.archive(path, fixture.locate({ store: slow }), call());
    resolve();
    await next;
    expect(puts).toBe(1);
    expect(await fixture.archived()).toEqual([`${first}.zst`]);
  });
});

describe("every acknowledged file", () => {
  it("is in the archive with equal content, whatever fails and however often the process starts anew", async () => {
    const names = ["00000002.history", ...segmentNames(first, 12, mib)];
    const local = new Map<string, Buffer>();
    for (const name of names) local.set(name, await readFile(await pgdata.add(name)));
    const step = fc.record({
      name: fc.constantFrom(...names),
      restart: fc.boolean(),
      /** Which of the next requests fails, before or after it took effect. */
      fault: fc.option(fc.record({ at: fc.integer({ min: 0, max: 8 }), after: fc.boolean() }), { nil: undefined }),
    });
    let run = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 1, maxLength: 12 }),
        fc.integer({ min: 1, max: 4 }),
        async (steps, maxParallel) => {
          const server = `run${++run}`;
          let faults: { at: number; after: boolean }[] = [];
          const faulty: ObjectStore = {
            ...store,
            put: async (key, body, options) => {
              faults = faults.map((fault) => ({ ...fault, at: fault.at - 1 }));
              const fault = faults.find(({ at }) => at === -1);
              if (fault !== undefined && !fault.after) throw new StoreError("AccessDenied", "injected");
              await store.put(key, body, options);
              if (fault !== undefined) throw new StoreError("AccessDenied", "injected");
            },
          };
          const location = fixture.locate({ store: faulty, server, maxParallel });
          let archiver = fixture.archiver();
          const acknowledged = new Set<string>();
          for (const { name, restart, fault } of steps) {
            if (restart) {
              // As killed: nobody waits for what was under way.
              void archiver.close(AbortSignal.abort());
              archiver = fixture.archiver();
            }
            faults = fault === undefined ? [] : [fault];
            await archiver.archive(join(pgdata.walDirectory, name), location, call()).then(
              () => acknowledged.add(name),
              (error: unknown) => expect(error).toMatchObject({ kind: "StoreRefused" }),
            );
          }
          for (const name of acknowledged)
            expect((await fixture.contentOf(name, server)).equals(local.get(name)!)).toBe(true);
          await archiver.close(never);
        },
      ),
      { numRuns: 15 },
    );
  });
});
