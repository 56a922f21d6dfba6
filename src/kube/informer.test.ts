import { describe, expect, it, vi } from "vitest";
import { createLogger } from "#observe/logger.ts";
import { aborted } from "#std/abort.ts";
import type { KubeClient, ListOptions, ObjectList, WatchEvent, WatchOptions } from "./client.ts";
import { KubeError } from "./errors.ts";
import { createInformer } from "./informer.ts";
import type { KubeObject, Resource } from "./object.ts";

const pods: Resource = { group: "", version: "v1", kind: "Pod", plural: "pods", namespaced: true };
const pod = (name: string, resourceVersion: string): KubeObject => ({
  metadata: Object.assign({ namespace: "n", name, uid: name, resourceVersion }, { managedFields: [{}] }),
});

type Step = { list: ObjectList<KubeObject> | Error } | { events: readonly WatchEvent<KubeObject>[]; end?: Error };

/** A server that follows a script of lists and watches, then stays silent. */
async function play(...script: readonly Step[]) {
  const asked: string[] = [];
  let turn = 0;
  /** The next step; once the script is over, silence. */
  const next = async (signal: AbortSignal): Promise<Step> => {
    const step = script[turn++];
    if (step !== undefined) return step;
    await aborted(signal);
    throw new Error("over");
  };
  const client = {
    async list(_: Resource, { signal }: ListOptions) {
      asked.push("list");
      const step = await next(signal);
      if (!("list" in step)) throw new Error("the script expects no list here");
      if (step.list instanceof Error) throw step.list;
      return step.list;
    },
    async *watch(_: Resource, { resourceVersion, signal }: WatchOptions) {
      asked.push(`watch ${resourceVersion}`);
      const step = await next(signal);
      if (!("events" in step)) throw new Error("the script expects no watch here");
      yield* step.events;
      if (step.end !== undefined) throw step.end;
    },
  } as unknown as KubeClient;
  const backoff = { firstMs: 1, maxMs: 2 };
  const informer = createInformer({ client, resource: pods, logger: createLogger("error"), backoff });
  const changes: string[] = [];
  informer.subscribe(({ type, object }) => changes.push(`${type} ${object.metadata.name}`));
  const stop = new AbortController();
  const running = informer.run(stop.signal);
  await vi.waitFor(() => expect(turn).toBeGreaterThan(script.length), { timeout: 5000, interval: 2 });
  stop.abort();
  await running;
  return { asked, changes, informer };
}

const list = (resourceVersion: string, ...items: readonly KubeObject[]) => ({ list: { items, resourceVersion } });
const added = (name: string, version: string) => ({ type: "ADDED", object: pod(name, version) }) as const;
const bookmark = (resourceVersion: string) => ({ type: "BOOKMARK", resourceVersion }) as const;
const expired = new KubeError("Expired", "too old");

describe("an informer", () => {
  it("resumes a watch that ended after the last thing it heard, bookmarks included", async () => {
    const { asked } = await play(
      list("5"),
      { events: [added("a", "6")] },
      { events: [bookmark("9")] },
      { events: [], end: new Error("broken") },
    );
    expect(asked.slice(0, 4)).toEqual(["list", "watch 5", "watch 6", "watch 9"]);
  });

  it.each([
    ["as an answer", { events: [], end: expired }],
    ["within the stream", { events: [added("a", "6")], end: expired }],
  ])("lists again when its place is forgotten, told %s", async (_, step) => {
    const { asked, changes } = await play(list("5", pod("gone", "1")), step, list("20", pod("a", "6"), pod("b", "7")));
    expect(asked.slice(0, 3)).toEqual(["list", "watch 5", "list"]);
    expect(changes.toSorted()).toEqual(["added a", "added b", "added gone", "deleted gone"]);
  });

  it("goes on after errors of any kind, and is in sync only after a list", async () => {
    const forbidden = new KubeError("Forbidden", "no");
    const failed = await play({ list: forbidden }, { list: new Error("x") });
    expect(failed.informer.hasSynced()).toBe(false);
    expect(failed.informer.silentForMs()).toBe(Infinity);
    const { informer } = await play({ list: forbidden }, list("1", pod("a", "1")));
    expect(informer.hasSynced()).toBe(true);
    expect(informer.silentForMs()).toBeLessThan(5000);
  });

  it("tells a late subscriber what is known, and a failing one harms no other", async () => {
    const { informer } = await play(list("1", pod("a", "1"), pod("b", "1")));
    const seen: string[] = [];
    informer.subscribe(() => {
      throw new Error("bad handler");
    });
    informer.subscribe(({ type, object }) => seen.push(`${type} ${object.metadata.name}`));
    expect(seen).toEqual(["added a", "added b"]);
  });

  it("keeps no managedFields", async () => {
    const { informer } = await play(list("1", pod("a", "1")));
    expect(informer.get({ namespace: "n", name: "a" })?.metadata).not.toHaveProperty("managedFields");
  });
});
