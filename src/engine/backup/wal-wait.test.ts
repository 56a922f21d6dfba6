import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { walKey, type WalExtension } from "#repository/barman/layout.ts";
import { StoreError } from "#store/errors.ts";
import { openFilesystemStore } from "#store/filesystem.ts";
import type { ObjectStore } from "#store/store.ts";
import { missingFrom, missingWal } from "./wal-presence.ts";
import { waitForWal } from "./wal-wait.ts";

const { signal } = new AbortController();
const segment = (number: number, directory = 0): string =>
  `00000001${directory.toString(16).padStart(8, "0").toUpperCase()}${number.toString(16).padStart(8, "0").toUpperCase()}`;

let store: ObjectStore;

beforeEach(() => {
  const root = mkdtempSync(join(tmpdir(), "holdfast-wal-"));
  onTestFinished(() => rmSync(root, { recursive: true }));
  store = openFilesystemStore(root);
});

const archive = async (name: string, extension: WalExtension = ""): Promise<void> =>
  await store.put(walKey("pg", name, extension), Buffer.from("wal"), { signal });

describe("missingWal", () => {
  it("finds segments whatever their compression, and history files", async () => {
    await archive(segment(3), ".gz");
    await archive(segment(5), ".zst");
    await archive("00000002.history");
    const wanted = [segment(3), segment(4), segment(5), "00000002.history", "00000003.history"];
    expect(await missingWal({ store, server: "pg" }, wanted, { signal })).toEqual([segment(4), "00000003.history"]);
  });

  it("looks into every directory of a range", async () => {
    await archive(segment(255));
    await archive(segment(1, 1));
    const wanted = [segment(255), segment(0, 1), segment(1, 1)];
    expect(await missingWal({ store, server: "pg" }, wanted, { signal })).toEqual([segment(0, 1)]);
  });

  it("takes neither a partial segment nor a label for the segment", async () => {
    await store.put(walKey("pg", `${segment(3)}.partial`, ""), Buffer.from("wal"), { signal });
    await store.put(walKey("pg", `${segment(3)}.00000028.backup`, ""), Buffer.from("label"), { signal });
    expect(await missingWal({ store, server: "pg" }, [segment(3)], { signal })).toEqual([segment(3)]);
  });

  it("asks nothing when nothing is wanted", async () => {
    expect(await missingWal({ store, server: "pg" }, [], { signal })).toEqual([]);
  });
});

describe("waitForWal", () => {
  it("waits for each file in turn and tells which", async () => {
    const told: (string | undefined)[] = [];
    await archive(segment(3));
    await waitForWal({
      missing: missingFrom({ store, server: "pg" }),
      names: [segment(3), segment(4), segment(5)],
      deadlineMs: 10_000,
      onWaiting: (name) => {
        told.push(name);
        if (name !== undefined) void archive(name);
      },
      signal,
    });
    expect(told).toEqual([segment(4), segment(5), undefined]);
  });

  it("names what is missing at its deadline", async () => {
    const names = [3, 4, 5, 6, 7].map((number) => segment(number));
    const waiting = waitForWal({
      missing: missingFrom({ store, server: "pg" }),
      names,
      deadlineMs: 20,
      onWaiting: () => {},
      signal,
    });
    await expect(waiting).rejects.toMatchObject({
      kind: "WalMissing",
      message: expect.stringContaining(`${segment(3)}, ${segment(4)}, ${segment(5)} and 2 more`),
    });
  });

  it("does not call missing what it could not look up", async () => {
    const outage = new StoreError("EndpointUnreachable", "connection refused");
    const away: ObjectStore = {
      ...store,
      // eslint-disable-next-line require-yield
      list: async function* () {
        throw outage;
      },
    };
    const waiting = waitForWal({
      missing: missingFrom({ store: away, server: "pg" }),
      names: [segment(3)],
      deadlineMs: 20,
      onWaiting: () => {},
      signal,
    });
    await expect(waiting).rejects.toBe(outage);
  });

  it("ends at once when it is aborted", async () => {
    const reason = new Error("cancelled");
    const waiting = waitForWal({
      missing: missingFrom({ store, server: "pg" }),
      names: [segment(3)],
      deadlineMs: 10_000,
      onWaiting: () => {},
      signal: AbortSignal.abort(reason),
    });
    await expect(waiting).rejects.toBe(reason);
  });
});
