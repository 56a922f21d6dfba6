import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ObjectStore as StoreObject } from "#api/gen/object-store.ts";
import { backupInfoKey } from "#repository/barman/layout.ts";
import { aborted } from "#std/abort.ts";
import { openFilesystemStore } from "#store/filesystem.ts";
import type { ObjectStore } from "#store/store.ts";
import { lookAtStore, type Look } from "./observe.ts";

const id = "20261121T091500";
const info = (name: string): Buffer =>
  Buffer.from(
    [
      `backup_name=${name}`,
      "status=DONE",
      "begin_time=2026-11-21 09:15:00+00:00",
      "end_time=2026-11-21 09:18:00+00:00",
      "begin_wal=000000010000000000000014",
      "end_wal=000000010000000000000014",
      "begin_xlog=0/14000028",
      "end_xlog=0/14000100",
      "timeline=1",
    ].join("\n"),
  );
const object = (bucket: string): StoreObject => ({
  metadata: { name: "minio", namespace: "db", uid: "u" },
  spec: { configuration: { destinationPath: `s3://${bucket}/`, s3Credentials: { inheritFromIAMRole: true } } },
});

describe("a look at a store", () => {
  const roots: string[] = [];
  const places = new Map<string, ObjectStore>();
  const signal = AbortSignal.timeout(20_000);

  beforeAll(async () => {
    for (const bucket of ["before", "after"]) {
      const root = await mkdtemp(join(tmpdir(), "look-"));
      roots.push(root);
      const store = openFilesystemStore(root);
      await store.put(backupInfoKey("pg", id), info(bucket), { signal });
      places.set(`s3://${bucket}/`, store);
    }
  });
  afterAll(() => Promise.all(roots.map((root) => rm(root, { recursive: true }))));

  const look = (bucket: string, before?: Look): Promise<Look> =>
    lookAtStore(object(bucket), {
      open: async ({ spec }) => ({ store: places.get(spec.configuration.destinationPath)!, config: {} }),
      known: before?.known,
      preflight: undefined,
      signal,
    });
  const namesIn = ({ content }: Look): readonly unknown[] =>
    content.kind === "usable" ? content.servers.flatMap(({ catalog }) => catalog.backups.map(({ name }) => name)) : [];

  it("is unknown when it takes too long, and not given up without a word", async () => {
    const store: ObjectStore = {
      ...places.get("s3://before/")!,
      list: async function* (prefix, options) {
        if (prefix !== "pg/base/") return yield* places.get("s3://before/")!.list(prefix, options);
        await aborted(options.signal);
        throw options.signal.reason;
      },
    };
    const open = async () => ({ store, config: {} });
    const slow = await lookAtStore(object("before"), {
      open,
      known: undefined,
      preflight: undefined,
      limitMs: 300,
      signal,
    });
    expect(slow.content).toMatchObject({ kind: "unknown", message: expect.stringContaining("not through within 1 s") });
  });

  it("takes nothing for known that was read before the store was moved", async () => {
    const before = await look("before");
    expect(namesIn(before)).toEqual(["before"]);
    expect(namesIn(await look("after", before))).toEqual(["after"]);
  });
});
