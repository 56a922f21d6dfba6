import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openFilesystemStore } from "#store/filesystem.ts";
import type { ObjectStore } from "#store/store.ts";
import { lackingData } from "./contents.ts";
import { openBarmanRepository } from "./repository.ts";

const info = readFileSync(new URL("../../../test/golden/barman/backup-17.info", import.meta.url), "utf8");
const signal = AbortSignal.timeout(20_000);
const id = "20261101T000000";
const folder = `pg/base/${id}`;
let root: string;
let store: ObjectStore;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "barman-contents-"));
  store = openFilesystemStore(root);
});
afterEach(() => rm(root, { recursive: true }));

const put = (key: string, content = "x"): Promise<void> => store.put(key, Buffer.from(content), { signal });
const contents = () => openBarmanRepository(store).contents("pg", id, { signal });

describe("what the store has of a backup", () => {
  it("is its metadata and its data, or what of them is missing", async () => {
    expect(await contents()).toEqual({ hasData: false });
    await put(`${folder}/data.tar.gz`);
    expect(await contents()).toEqual({ hasData: true });
    await put(`${folder}/backup.info`, "<html>");
    expect(await contents()).toMatchObject({ unreadable: "backup.info has no status" });
    await put(`${folder}/backup.info`, info);
    const whole = await contents();
    expect(whole.record).toMatchObject({ id, status: "done" });
    expect(whole.lacking).toBeUndefined();
    await store.delete([`${folder}/data.tar.gz`], { signal });
    expect(await contents()).toMatchObject({ hasData: false, lacking: "there is no data.tar" });
  });

  const volume = (name: string, bytes = 10) => ({ name, bytes });
  const lacking = (volumes: Parameters<typeof lackingData>[1], storedBytes?: number, tablespaces: string[] = []) =>
    lackingData({ tablespaces, ...(storedBytes !== undefined && { storedBytes }) }, volumes);

  it("lacks volumes that are empty or left out, tablespaces, and bytes", () => {
    const three = [volume("data.tar"), volume("data_0001.tar"), volume("data_0002.tar")];
    expect(lacking(three, 30)).toBeUndefined();
    expect(lacking(three)).toBeUndefined();
    expect(lacking([...three, volume("data_0003.tar", 0)], 30)).toBe("data_0003.tar is empty");
    expect(lacking([three[0]!, three[2]!])).toBe("data_0001.tar is not there");
    expect(lacking(three.slice(1))).toBe("data.tar is not there");
    expect(lacking(three, 31)).toBe("its data has 30 bytes, and 31 were stored");
    expect(lacking([volume("data.tar")], undefined, ["fast"])).toBe("of 1 tablespaces 0 are there");
    expect(lacking([volume("data.tar"), volume("16400.tar")], undefined, ["fast"])).toBeUndefined();
  });
});

describe("a removed backup", () => {
  it("is gone with all its files; metadata goes first, and nothing else is touched", async () => {
    const kept = [
      `${folder}/notes.txt`,
      "pg/base/20261102T000000/data.tar",
      "pg/wals/0000000100000000/000000010000000000000014",
      "pg/holdfast/owner.json",
      "other/base/20261101T000000/backup.info",
    ];
    const gone = ["backup.info", "data.tar", "data_0001.tar", "16400.tar.gz", "backup_label"];
    for (const key of [...kept, ...gone.map((name) => `${folder}/${name}`)]) await put(key);
    const batches: (readonly string[])[] = [];
    const watched: ObjectStore = {
      ...store,
      delete: async (keys, options) => {
        batches.push(keys);
        await store.delete(keys, options);
      },
    };
    expect(await openBarmanRepository(watched).removeBackup("pg", id, { signal })).toBe(gone.length);
    expect(batches[0]).toEqual([`${folder}/backup.info`]);
    const left = await Array.fromAsync(store.list("", { signal }));
    expect(left.map((entry) => (entry.kind === "object" ? entry.key : entry.prefix)).sort()).toEqual([...kept].sort());
    expect(await openBarmanRepository(store).removeBackup("pg", id, { signal })).toBe(0);
  });
});

describe("holds", () => {
  it("are our mark and barman's", async () => {
    const repository = openBarmanRepository(store);
    expect(await repository.holds("pg", id, { signal })).toEqual([]);
    await put(`pg/holdfast/holds/${id}`);
    await put(`${folder}/annotations/keep`, "standalone");
    expect(await repository.holds("pg", id, { signal })).toEqual([
      { key: `pg/holdfast/holds/${id}` },
      { key: `${folder}/annotations/keep` },
    ]);
  });
});
