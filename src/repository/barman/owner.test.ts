import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { StoreError } from "#store/errors.ts";
import { openFilesystemStore } from "#store/filesystem.ts";
import type { ObjectStore } from "#store/store.ts";
import { claimOwner, compareOwner, formatOwner, parseOwner, readOwner, type OwnerMark } from "./owner.ts";

const signal = AbortSignal.timeout(20_000);
const owner: OwnerMark = {
  systemId: "7710555022479023659",
  cluster: { namespace: "default", name: "pg", uid: "7a1e2d9c-0000-4000-8000-000000000000" },
  since: new Date("2026-11-21T09:15:00.000Z"),
};
let root: string;
let store: ObjectStore;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "barman-owner-"));
  store = openFilesystemStore(root);
});

afterEach(() => rm(root, { recursive: true }));

describe("the owner's mark", () => {
  it("is absent until someone claims the archive", async () => {
    expect(await readOwner(store, "pg", { signal })).toBeUndefined();
    expect(await claimOwner(store, "pg", owner, { signal })).toEqual(owner);
    expect(await readOwner(store, "pg", { signal })).toEqual(owner);
  });

  it("goes to one of two that claim at the same moment", async () => {
    const other = { ...owner, systemId: "1" };
    const holders = await Promise.all([
      claimOwner(store, "pg", owner, { signal }),
      claimOwner(store, "pg", other, { signal }),
    ]);
    expect(holders[0]).toEqual(holders[1]);
    expect(await readOwner(store, "pg", { signal })).toEqual(holders[0]);
  });

  it("is never taken for absent when it is damaged", async () => {
    await store.put("pg/holdfast/owner.json", Buffer.from("{"), { signal });
    await expect(readOwner(store, "pg", { signal })).rejects.toMatchObject({
      name: "RepositoryError",
      kind: "Damaged",
    });
    await expect(claimOwner(store, "pg", owner, { signal })).rejects.toMatchObject({ kind: "Damaged" });
  });

  it("that cannot be written or read back is no claim", async () => {
    const failing = (kind: "AlreadyExists" | "AccessDenied"): ObjectStore => ({
      ...store,
      put: () => Promise.reject(new StoreError(kind, "put refused")),
    });
    await expect(claimOwner(failing("AccessDenied"), "pg", owner, { signal })).rejects.toMatchObject({
      kind: "AccessDenied",
    });
    await expect(claimOwner(failing("AlreadyExists"), "pg", owner, { signal })).rejects.toMatchObject({
      kind: "Unavailable",
    });
  });

  it("comes back unchanged from its text", () => {
    const drawn = fc.record({
      systemId: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String),
      cluster: fc.record({ namespace: fc.string(), name: fc.string(), uid: fc.string() }, { noNullPrototype: true }),
      since: fc.date({ noInvalidDate: true, min: new Date(0), max: new Date("2100-01-01") }),
    });
    fc.assert(
      fc.property(drawn, (value) => {
        expect(parseOwner(formatOwner(value))).toEqual(value);
      }),
    );
  });

  it("may say more in newer versions", () => {
    expect(parseOwner(JSON.stringify({ ...JSON.parse(formatOwner(owner)), engine: "new" }))).toEqual(owner);
  });

  it.each([
    "",
    "null",
    "[]",
    '{"systemID":"1"}',
    formatOwner(owner).replace("7710555022479023659", "x"),
    formatOwner(owner).replace("2026-11-21T09:15:00.000Z", "x"),
    formatOwner(owner).replace('"default"', "1"),
    formatOwner(owner).replace(/"cluster": \{[^}]*\}/, '"cluster": 1'),
    formatOwner(owner).replace('"2026-11-21T09:15:00.000Z"', "1"),
  ])("is not read out of %j", (text) => expect(parseOwner(text)).toBeUndefined());
});

describe("whose archive it is", () => {
  it("is decided by the system identifier alone", () => {
    expect(compareOwner(undefined, "1")).toEqual({ kind: "unclaimed" });
    expect(compareOwner(owner, owner.systemId)).toEqual({ kind: "ours", owner });
    expect(compareOwner(owner, "1")).toEqual({ kind: "foreign", owner });
  });
});
