import { mkdtemp, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { openPushSpool, type PushSpool } from "./push-spool.ts";

const name = "000000010000000000000001";
let folder: string;
let wal: string;
let spool: PushSpool;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "holdfast-spool-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  wal = join(folder, name);
  await writeFile(wal, "wal");
  spool = openPushSpool(join(folder, "spool"), "main");
  await spool.open();
});
const say = (file: string, content = ""): Promise<void> => writeFile(join(spool.out, file), content);
const outcome = () => spool.outcomeOf(wal, name);

describe("a file of the worker", () => {
  it("says that the WAL file is stored, also with a warning", async () => {
    expect(await outcome()).toBeUndefined();
    await say(`${name}.ok`);
    expect(await outcome()).toBe(true);
    await say(`${name}.ok`, "0\nWAL file already exists in the repo1 archive with the same checksum");
    expect(await outcome()).toBe(true);
  });

  it("counts for the content that the WAL file had then", async () => {
    await say(`${name}.ok`);
    const later = new Date(Date.now() + 5_000);
    await utimes(wal, later, later);
    expect(await outcome()).toBeUndefined();
  });

  it("is no word of pgBackRest when somebody has renamed a failure", async () => {
    await say(`${name}.ok`, "45\nWAL file already exists with a different checksum");
    expect(await outcome()).toBeUndefined();
  });

  it("tells a failure with its kind, its words and the repositories that it names", async () => {
    await say(
      `${name}.error`,
      "104\nraised from local-1 protocol: archive-push command encountered error(s):\n" +
        "repo2: [HostConnectError] unable to load info file\nHINT: has a stanza-create been performed?",
    );
    expect(await outcome()).toMatchObject({
      kind: "Unreachable",
      code: 104,
      repositories: [2],
      message:
        "pgbackrest archive-push: archive-push command encountered error(s): repo2: [HostConnectError] unable to load info file",
    });
  });

  it("tells a failure of all files, until a worker is about to try again", async () => {
    await say("global.error", "103\nunable to find a valid repository:\nrepo1: [FileMissingError] unable to load");
    expect(await outcome()).toMatchObject({ kind: "NoStanza", repositories: [1] });
    await spool.forgetErrors();
    expect(await outcome()).toBeUndefined();
  });

  it("is nothing while it is empty, for then it is being written", async () => {
    await say(`${name}.error`);
    expect(await outcome()).toBeUndefined();
  });

  it("is gone when the spool is cleared", async () => {
    await say(`${name}.ok`);
    expect(await spool.holdsAll([name])).toBe(true);
    await spool.clear();
    expect(await outcome()).toBeUndefined();
    expect(await spool.holdsAll([name])).toBe(false);
  });
});
