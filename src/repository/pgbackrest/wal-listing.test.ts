import { describe, expect, it } from "vitest";
import type { RepositoryFiles } from "./files.ts";
import { listArchiveIds } from "./wal-listing.ts";

const signal = AbortSignal.timeout(5_000);
const holding = (...ids: readonly string[]): RepositoryFiles => ({
  key: 1,
  archiveIds: undefined,
  stanza: "main",
  list: () => Promise.reject(new Error("not asked")),
  read: () => Promise.reject(new Error("not asked")),
  names: (_path, { onName }) => Promise.resolve(ids.forEach((id) => onName(id))),
});

describe("the archives of a stanza", () => {
  const upgraded = holding("15-1", "17-10", "16-2", "archive.info");

  it("come with the present database first, not by their names", async () => {
    expect(await listArchiveIds(upgraded, { signal })).toEqual(["17-10", "16-2", "15-1"]);
  });

  it("are those of one version, and all where there is none of it", async () => {
    expect(await listArchiveIds(upgraded, { signal, postgresMajor: 15 })).toEqual(["15-1"]);
    expect(await listArchiveIds(holding("15-1", "15-2"), { signal, postgresMajor: 15 })).toEqual(["15-2", "15-1"]);
    expect(await listArchiveIds(upgraded, { signal, postgresMajor: 18 })).toEqual(["17-10", "16-2", "15-1"]);
  });
});
