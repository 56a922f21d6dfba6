import { beforeEach, describe, expect, it } from "vitest";
import { aborted } from "#std/abort.ts";
import { createLogger } from "#observe/logger.ts";
import type { KubeClient } from "./client.ts";
import { KubeError } from "./errors.ts";
import type { Lease } from "./leader.ts";
import { createLeaseMutex, processIdentity, purposeAnnotation } from "./lease-mutex.ts";
import { MutexBusyError } from "./mutex.ts";

const key = { namespace: "app", name: "holdfast-stanza-main" };
const never = new AbortController().signal;
const timings = { leaseDurationMs: 60_000, renewDeadlineMs: 50_000, renewEveryMs: 2, lookEveryMs: 2 };

/** One Lease behind the API's optimistic lock; `away` makes every request fail. */
let api: { lease: Lease | undefined; away: boolean; writes: number };
let clock: number;
beforeEach(() => {
  api = { lease: { metadata: { ...key, resourceVersion: "1" }, spec: {} }, away: false, writes: 0 };
  clock = 0;
});

const client = {
  get: async () => {
    if (api.away) throw new KubeError("Unavailable", "the API server is away");
    return structuredClone(api.lease);
  },
  replace: async (_: unknown, lease: Lease) => {
    if (api.away) throw new KubeError("Unavailable", "the API server is away");
    if (lease.metadata.resourceVersion !== api.lease?.metadata.resourceVersion)
      throw new KubeError("Conflict", "the object has been modified");
    api.writes++;
    const resourceVersion = String(Number(lease.metadata.resourceVersion) + 1);
    api.lease = { ...lease, metadata: { ...lease.metadata, resourceVersion } };
    return structuredClone(api.lease);
  },
} as unknown as KubeClient;

const mutexOf = (identity: string) =>
  createLeaseMutex({ client, lease: key, identity, logger: createLogger("error"), timings, now: () => clock });
const hold = { purpose: "backup", waitMs: 0, signal: never };
const holder = (): string | undefined => api.lease?.spec?.holderIdentity;

/** Another pod writes the Lease, whoever holds it. */
const take = (identity: string, purpose = "expire"): void => {
  const { metadata } = api.lease!;
  const resourceVersion = String(Number(metadata.resourceVersion) + 1);
  api.lease = {
    metadata: { ...metadata, resourceVersion, annotations: { [purposeAnnotation]: purpose } },
    spec: { holderIdentity: identity, leaseDurationSeconds: 60 },
  };
};
const turns = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
};

describe("a mutex of one lease", () => {
  it("says while it is held by whom and what for, and lets go at the end", async () => {
    const during = await mutexOf("pg-1").hold(hold, async () => structuredClone(api.lease));
    expect(during?.spec).toMatchObject({ holderIdentity: "pg-1", leaseDurationSeconds: 60 });
    expect(during?.metadata.annotations).toEqual({ [purposeAnnotation]: "backup" });
    expect(holder()).toBe("");
    expect(api.lease?.metadata.annotations).toEqual({});
  });

  it("lets go when the work fails", async () => {
    const failing = mutexOf("pg-1").hold(hold, async () => {
      throw new Error("no");
    });
    await expect(failing).rejects.toThrow("no");
    expect(holder()).toBe("");
  });

  it("tells who holds it and what for, when the wait is over", async () => {
    take("pg-2");
    const waiting = mutexOf("pg-1").hold(hold, async () => undefined);
    await expect(waiting).rejects.toThrow("pg-2 holds the Lease holdfast-stanza-main for expire");
    await expect(waiting).rejects.toBeInstanceOf(MutexBusyError);
    expect(holder()).toBe("pg-2");
  });

  it("gets it when the other lets go", async () => {
    take("pg-2");
    const got = mutexOf("pg-1").hold({ ...hold, waitMs: 60_000 }, async () => holder());
    take("");
    expect(await got).toBe("pg-1");
  });

  it("takes it from one that shows no life for its whole duration by our own clock", async () => {
    take("pg-2");
    const got = mutexOf("pg-1").hold({ ...hold, waitMs: 600_000 }, async () => holder());
    const advancing = setInterval(() => (clock += 1_000), 1);
    expect(await got).toBe("pg-1");
    clearInterval(advancing);
    expect(clock).toBeGreaterThanOrEqual(60_000);
  });

  it("is not shared by two pods of one name: the first may run on after it was deleted by force", async () => {
    const [first, second] = [processIdentity("pg-1"), processIdentity("pg-1")];
    take(first, "backup");
    const waiting = mutexOf(second).hold(hold, async () => undefined);
    await expect(waiting).rejects.toThrow(/^pg-1 holds the Lease holdfast-stanza-main for backup$/);
    expect(holder()).toBe(first);
  });

  it("lets only one of a pod work at a time", async () => {
    const mutex = mutexOf("pg-1");
    let running = 0;
    let most = 0;
    const work = async (): Promise<void> => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setTimeout(resolve, 3));
      running--;
    };
    await Promise.all([1, 2, 3].map(() => mutex.hold({ ...hold, waitMs: 60_000 }, work)));
    expect(most).toBe(1);
    const long = Promise.withResolvers<void>();
    const first = mutex.hold(hold, () => long.promise);
    await turns(() => holder() === "pg-1");
    await expect(mutex.hold({ ...hold, waitMs: 5 }, work)).rejects.toThrow("pg-1 holds the Lease");
    long.resolve();
    await first;
    await mutex.hold({ ...hold, waitMs: 60_000 }, work);
  });

  it("goes on while the API server is away for less than its deadline, and renews when that is back", async () => {
    const goOn = Promise.withResolvers<void>();
    const work = mutexOf("pg-1").hold(hold, async (signal) => {
      await goOn.promise;
      return signal.aborted;
    });
    await turns(() => api.writes > 2);
    api.away = true;
    clock += 40_000;
    await new Promise((resolve) => setTimeout(resolve, 10));
    api.away = false;
    const before = api.writes;
    await turns(() => api.writes > before);
    goOn.resolve();
    expect(await work).toBe(false);
  });

  it("ends the work before another one may take it, when it alone cannot reach the API server", async () => {
    let cutOff = false;
    const cut = {
      get: async (...call: Parameters<KubeClient["get"]>) =>
        cutOff ? Promise.reject(new KubeError("Unavailable", "no route")) : client.get(...call),
      replace: async (...call: Parameters<KubeClient["replace"]>) =>
        cutOff ? Promise.reject(new KubeError("Unavailable", "no route")) : client.replace(...call),
    } as unknown as KubeClient;
    const options = { client: cut, lease: key, identity: "pg-1", logger: createLogger("error"), timings };
    let endedAt = Infinity;
    const work = createLeaseMutex({ ...options, now: () => clock }).hold(hold, async (signal) => {
      await aborted(signal);
      endedAt = clock;
      throw signal.reason;
    });
    await turns(() => holder() === "pg-1");
    cutOff = true;
    const taken = mutexOf("pg-2").hold({ ...hold, waitMs: 600_000 }, async () => clock);
    const advancing = setInterval(() => (clock += 1_000), 1);
    await expect(work).rejects.toThrow("the Lease holdfast-stanza-main could not be renewed in time");
    const takenAt = await taken;
    clearInterval(advancing);
    expect(endedAt).toBeLessThan(takenAt);
    expect(takenAt).toBeGreaterThanOrEqual(60_000);
  });

  it("ends the work when another one has taken it, and leaves it to that one", async () => {
    const work = mutexOf("pg-1").hold(hold, async (signal) => {
      await turns(() => signal.aborted);
      throw signal.reason;
    });
    await turns(() => holder() === "pg-1");
    take("pg-2");
    await expect(work).rejects.toThrow("pg-2 holds the Lease holdfast-stanza-main for expire");
    expect(holder()).toBe("pg-2");
  });

  it("ends the work when the lease was deleted, and holds none that was made anew under its name", async () => {
    api.lease = { metadata: { ...key, uid: "first", resourceVersion: "1" }, spec: {} };
    const work = mutexOf("pg-1").hold(hold, async (signal) => {
      await turns(() => signal.aborted);
      throw signal.reason;
    });
    await turns(() => holder() === "pg-1");
    api.lease = { metadata: { ...key, uid: "second", resourceVersion: "1000" }, spec: {} };
    await expect(work).rejects.toThrow("nobody holds the Lease");
    expect(holder()).toBeUndefined();
  });

  it("names the pod that is waited for, also while another wait of our own comes first", async () => {
    take("pg-2", "retention");
    const mutex = mutexOf("pg-1");
    const first = mutex.hold({ ...hold, waitMs: 60_000 }, async () => undefined);
    await new Promise((resolve) => setTimeout(resolve, 5));
    const second = mutex.hold({ ...hold, waitMs: 5 }, async () => undefined);
    await expect(second).rejects.toThrow("pg-2 holds the Lease holdfast-stanza-main for retention");
    take("");
    await first;
  });

  it("names the operator when the lease is missing, as something that passes", async () => {
    api.lease = undefined;
    await expect(mutexOf("pg-1").hold(hold, async () => undefined)).rejects.toMatchObject({
      message: "Lease holdfast-stanza-main is not there yet: the operator makes it",
      transient: true,
    });
  });

  it("loses a race for it to the one who wrote first", async () => {
    const [one, two] = ["pg-1", "pg-2"].map((name) =>
      mutexOf(name).hold(hold, async () => {
        await turns(() => api.writes > 3);
        return name;
      }),
    );
    const outcomes = await Promise.allSettled([one, two]);
    expect(outcomes.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
  });
});
