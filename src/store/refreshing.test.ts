import { pino } from "pino";
import { describe, expect, it } from "vitest";
import { type StoreConfig, StoreConfigError, type StoreCredentials } from "./config.ts";
import { createStoreSource, type StoreSource } from "./refreshing.ts";
import type { ObjectStore } from "./store.ts";

const signal = AbortSignal.timeout(60_000);
const keys = (accessKeyId: string): StoreCredentials => ({ kind: "keys", accessKeyId, secretAccessKey: "secret" });
const aConfig = (changes: Partial<StoreConfig> = {}): StoreConfig => ({
  provider: "s3",
  bucket: "backups",
  prefix: "",
  credentials: keys("first"),
  transfer: {},
  wal: { compression: "none", maxParallel: 1 },
  data: { compression: "none", jobs: 2, immediateCheckpoint: false },
  ...changes,
});

interface Opened {
  readonly config: StoreConfig;
  readonly login: () => StoreCredentials;
  readonly deny: () => void;
  closed: boolean;
}

/** A source whose API server and clock the test holds in its hands. */
function aWorld() {
  const world = {
    answer: (async () => aConfig()) as (signal: AbortSignal) => Promise<StoreConfig>,
    loads: 0,
    nowMs: 1_000_000,
    opened: [] as Opened[],
    logged: [] as string[],
    source: undefined as unknown as StoreSource,
  };
  world.source = createStoreSource({
    load: (_, signal) => {
      world.loads++;
      return world.answer(signal);
    },
    open: async (config, { credentials, onDenied }) => {
      const opened: Opened = { config, login: credentials, deny: onDenied, closed: false };
      world.opened.push(opened);
      return { location: config.bucket, close: () => void (opened.closed = true) } as unknown as ObjectStore;
    },
    logger: pino({ level: "info" }, { write: (line) => void world.logged.push(JSON.parse(line).msg) }),
    now: () => world.nowMs,
  });
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  };
  const get = () => world.source.get("minio", { signal });
  return { world, settle, get };
}

const away = (): StoreConfigError => new StoreConfigError("Unavailable", "the api server does not answer");

describe("the first use of a store", () => {
  it("reads it, once for all who ask", async () => {
    const { world, get } = aWorld();
    expect(world.loads).toBe(0);
    const [one, other] = await Promise.all([get(), get()]);
    expect(one.store).toBe(other.store);
    expect({ loads: world.loads, generation: one.generation }).toEqual({ loads: 1, generation: 1 });
    expect((await get()).store).toBe(one.store);
    expect(world.loads).toBe(1);
  });

  it("tries again while the API server is away", async () => {
    const { world, get } = aWorld();
    world.answer = () => (world.loads < 3 ? Promise.reject(away()) : Promise.resolve(aConfig()));
    expect((await get()).config).toEqual(aConfig());
    expect(world.loads).toBe(3);
  });

  it("names what failed as soon as time cannot mend it, and asks anew the next time", async () => {
    const { world, get } = aWorld();
    const missing = new StoreConfigError("SecretNotFound", "secret login does not exist");
    world.answer = () => Promise.reject(missing);
    await expect(get()).rejects.toBe(missing);
    world.answer = async () => aConfig();
    expect((await get()).generation).toBe(1);
  });

  it("names what failed when the caller's time is over", async () => {
    const { world } = aWorld();
    world.answer = () => Promise.reject(Object.assign(new Error("connection refused"), { transient: true }));
    const asked = world.source.get("minio", { signal: AbortSignal.timeout(50) });
    await expect(asked).rejects.toMatchObject({
      name: "StoreConfigError",
      kind: "Unavailable",
      message: "object store minio cannot be read: connection refused",
    });
    world.source.close();
  });

  it("ends with the caller's own reason", async () => {
    const { world } = aWorld();
    world.answer = () => Promise.reject(away());
    const controller = new AbortController();
    const asked = world.source.get("minio", { signal: controller.signal });
    const reason = new Error("shutting down");
    controller.abort(reason);
    await expect(asked).rejects.toBe(reason);
    world.source.close();
  });
});

describe("a store that is read for the one who asks", () => {
  it("is as it is now, however lately it was read", async () => {
    const { world, get } = aWorld();
    const reload = () => world.source.reload("minio", { signal });
    const before = await reload();
    world.answer = async () => aConfig({ bucket: "other" });
    const after = await reload();
    expect(after.config.bucket).toBe("other");
    expect(after.generation).toBe(before.generation + 1);
    expect((await get()).store).toBe(after.store);
    expect((await reload()).config).toBe(after.config);
  });

  it("says what is wrong now, while others go on with what was read before", async () => {
    const { world, get } = aWorld();
    const { store } = await get();
    const missing = new StoreConfigError("SecretNotFound", "secret login does not exist");
    world.answer = () => Promise.reject(missing);
    await expect(world.source.reload("minio", { signal })).rejects.toBe(missing);
    expect((await get()).store).toBe(store);
    world.answer = async () => aConfig();
    expect((await world.source.reload("minio", { signal })).store).toBe(store);
  });

  it("is asked for again when the API server fails once", async () => {
    const { world, get } = aWorld();
    await get();
    world.answer = () => (world.loads < 3 ? Promise.reject(away()) : Promise.resolve(aConfig({ bucket: "other" })));
    expect((await world.source.reload("minio", { signal })).config.bucket).toBe("other");
  });

  it("does not take the answer of a read that began before", async () => {
    const { world, get } = aWorld();
    await get();
    const { promise, resolve } = Promise.withResolvers<StoreConfig>();
    world.answer = () => promise;
    world.nowMs += 31_000;
    await get();
    const reloaded = world.source.reload("minio", { signal });
    world.answer = async () => aConfig({ bucket: "new" });
    resolve(aConfig({ bucket: "old" }));
    expect((await reloaded).config.bucket).toBe("new");
  });
});

describe("a store in use", () => {
  it("is read again in the background after 30 s", async () => {
    const { world, settle, get } = aWorld();
    await get();
    world.nowMs += 29_000;
    await get();
    await settle();
    expect(world.loads).toBe(1);
    world.nowMs += 1_000;
    await get();
    await settle();
    expect(world.loads).toBe(2);
  });

  it("is read again as well while only its holder uses it", async () => {
    const { world, settle, get } = aWorld();
    await get();
    world.nowMs += 30_000;
    world.opened[0]!.login();
    await settle();
    expect(world.loads).toBe(2);
  });

  it("goes on with what it has while the API server is away, and says so once", async () => {
    const { world, settle, get } = aWorld();
    const { store } = await get();
    world.answer = () => Promise.reject(away());
    for (let turn = 0; turn < 4; turn++) {
      world.nowMs += 30_000;
      expect((await get()).store).toBe(store);
      await settle();
    }
    expect(world.loads).toBe(5);
    expect(world.logged).toEqual(["object store cannot be read again; the last settings stay in use"]);
    world.answer = async () => aConfig();
    world.nowMs += 30_000;
    await get();
    await settle();
    expect(world.logged).toHaveLength(2);
  });

  it("is not held up by an API server that does not answer", async () => {
    const { world, get } = aWorld();
    const { store } = await get();
    world.answer = (signal) =>
      new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    world.nowMs += 3_600_000;
    const began = performance.now();
    expect((await get()).store).toBe(store);
    expect((await get()).store).toBe(store);
    expect(performance.now() - began).toBeLessThan(3_000);
    world.source.close();
  });

  it("takes exchanged keys without a change of the store", async () => {
    const { world, settle, get } = aWorld();
    const before = await get();
    world.answer = async () => aConfig({ credentials: keys("second") });
    world.nowMs += 30_000;
    await get();
    await settle();
    const after = await get();
    expect(after).toMatchObject({ generation: 1, config: { credentials: keys("second") } });
    expect(after.store).toBe(before.store);
    expect(before.superseded.aborted).toBe(false);
    expect(world.opened).toHaveLength(1);
    expect(world.opened[0]!.login()).toEqual(keys("second"));
  });

  it("is another one after any other change, and who holds the one before keeps it", async () => {
    const { world, settle, get } = aWorld();
    const before = await get();
    world.answer = async () => aConfig({ prefix: "moved/", credentials: keys("second") });
    world.nowMs += 30_000;
    await get();
    await settle();
    const after = await get();
    expect(after.generation).toBe(2);
    expect(after.store).not.toBe(before.store);
    expect([before.superseded.aborted, after.superseded.aborted]).toEqual([true, false]);
    expect(world.opened.map(({ login, closed }) => ({ login: login(), closed }))).toEqual([
      { login: keys("first"), closed: false },
      { login: keys("second"), closed: false },
    ]);
  });

  it("that was not used for long is looked at before it is used", async () => {
    const { world, get } = aWorld();
    await get();
    world.answer = async () => aConfig({ prefix: "moved/" });
    world.nowMs += 3_600_000;
    expect((await get()).config.prefix).toBe("moved/");
  });
});

describe("a store that refuses the login", () => {
  it("is read again at once, but not with every refusal", async () => {
    const { world, settle, get } = aWorld();
    await get();
    world.answer = async () => aConfig({ credentials: keys("second") });
    world.nowMs += 5_000;
    for (let turn = 0; turn < 10; turn++) world.opened[0]!.deny();
    await settle();
    expect(world.loads).toBe(2);
    expect(world.opened[0]!.login()).toEqual(keys("second"));
    world.nowMs += 1_000;
    world.opened[0]!.deny();
    await settle();
    expect(world.loads).toBe(2);
    world.nowMs += 1_000;
    world.opened[0]!.deny();
    await settle();
    expect(world.loads).toBe(3);
  });

  it("is waited for by the next who asks, when somebody says that it is outdated", async () => {
    const { world, get } = aWorld();
    await get();
    world.answer = async () => aConfig({ credentials: keys("second") });
    world.nowMs += 2_000;
    world.source.invalidate("minio");
    world.source.invalidate("another");
    expect((await get()).config.credentials).toEqual(keys("second"));
    world.nowMs += 10_000;
    await get();
    expect(world.loads).toBe(2);
  });
});

describe("a closed source", () => {
  it("closes its stores and gives none any more", async () => {
    const { world, get } = aWorld();
    await get();
    world.source.close();
    expect(world.opened[0]!.closed).toBe(true);
    await expect(get()).rejects.toThrow("closed");
    await expect(world.source.get("new", { signal })).rejects.toThrow("closed");
  });
});
