import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { archiving, useStanzaWal } from "./pgbackrest-wal-fixture.ts";
import { pgbackrestPrograms } from "../cluster/pgbackrest.ts";
import { childrenNamed } from "./children.ts";

const fixture = useStanzaWal(12);
const text = (pattern: RegExp | string): string => expect.stringMatching(pattern) as string;
const absent = "0000000100000000000000F0";

/** From 2.59 on it refuses root, as whom tests may run, unless told; and debian's 2.60 has no repo-put. */
const programs = pgbackrestPrograms().map(({ version, program }) => {
  const isOld = Number(version.split(".")[1]) < 59;
  return { version, program, isOld, config: { variables: isOld ? {} : { PGBACKREST_ALLOW_ROOT: "y" } } };
});

describe.each(programs)("pgbackrest $version", ({ program, config, isOld }) => {
  it("gets a stanza by the first file, and asks no more about it with the next ones", async () => {
    const [first, second, third] = fixture.segments;
    const stanza = fixture.pgbackrest.newStanza();
    await fixture.ready([first!, second!, third!]);
    const side = await fixture.side(stanza, { program, config });
    await side.archive(first!, { checkEmpty: true });
    expect(side.commands).toEqual(["info", "info", "stanza-create", "repo-put", "archive-push"]);
    await side.archive(second!, { checkEmpty: true });
    await side.archive(third!);
    expect(side.commands.slice(5)).toEqual(["archive-push", "archive-push"]);
    expect(side.archiver.status()).toMatchObject({ files: 3, failures: 0, lastArchived: { name: third } });

    const fetched = await side.fetch(second!);
    expect((await readFile(fetched)).equals(await readFile(side.pathOf(second!)))).toBe(true);
    const again = await fixture.side(stanza, { program, config });
    await again.archive(first!, { checkEmpty: isOld });
    expect(again.commands).toEqual(["info", "repo-get", ...(isOld ? [] : ["repo-put"]), "archive-push"]);
  });

  it("drains what is ready by its worker", async () => {
    const names = fixture.segments;
    await fixture.ready(names);
    const side = await fixture.side(fixture.pgbackrest.newStanza(), {
      program,
      config: { ...config, ...archiving({ async: true }) },
    });
    for (const name of names) await side.archive(name);
    expect(side.commands.filter((command) => command.startsWith("archive-push"))).toEqual(["archive-push:async"]);
    for (const name of names.slice(-2)) await side.fetch(name);
    await expect(side.fetch(absent)).rejects.toMatchObject({ kind: "NotFound", message: text(absent) });
  });
});

describe("the worker", () => {
  it("loses nothing when it is killed, and its lock holds nobody up", async () => {
    const names = fixture.segments;
    await fixture.ready(names);
    const side = await fixture.side(fixture.pgbackrest.newStanza(), { config: archiving({ async: true }) });
    const archiving1 = side.archive(names[0]!);
    await expect.poll(() => childrenNamed("archive-push:async"), { timeout: 20_000, interval: 5 }).toHaveLength(1);
    for (const pid of await childrenNamed("archive-push:async")) process.kill(pid, "SIGKILL");
    await archiving1;
    for (const name of names.slice(1)) await side.archive(name);
    expect(side.archiver.status()).toMatchObject({ files: names.length, failures: 0 });
    for (const name of names) await side.fetch(name);
  });

  it("is done without where its spool cannot be used, which is told", async () => {
    const folder = await mkdtemp(join(tmpdir(), "holdfast-spool-"));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const spoolDirectory = join(folder, "file");
    await writeFile(spoolDirectory, "no folder");
    const [first, second] = fixture.segments;
    await fixture.ready([first!, second!]);
    const stanza = fixture.pgbackrest.newStanza();
    const side = await fixture.side(stanza, { config: archiving({ async: true }), spoolDirectory });
    await side.archive(first!);
    await side.archive(second!);
    expect(side.commands.filter((command) => command.startsWith("archive-push"))).toEqual([
      "archive-push",
      "archive-push",
    ]);
    expect(side.archiver.status()).toMatchObject({
      warning: text("the spool .* cannot be used: ENOTDIR.*archive.spool of the Stanza"),
    });
  });

  it("is done without when it cannot write into its spool, as when that is full", async () => {
    const names = fixture.segments.slice(0, 4);
    await fixture.ready(names);
    const side = await fixture.side(fixture.pgbackrest.newStanza(), { config: archiving({ async: true }) });
    await side.archive(names[0]!);
    const systemId = await fixture.primary.value("SELECT system_identifier FROM pg_control_system()");
    const { stanza } = side.target.pgbackrest.config;
    const out = join(side.spoolDirectory, systemId, side.target.name, "archive", stanza, "out");
    await rm(out, { recursive: true });
    // A folder where the worker wants to write its file.
    for (const name of names.slice(1)) await mkdir(join(out, `${name}.ok.pgbackrest.tmp`), { recursive: true });
    for (const name of names.slice(1)) await side.archive(name);
    for (const name of names) await side.fetch(name);
    expect(side.archiver.status()).toMatchObject({ failures: 0, warning: text(/the spool .* cannot be used: .*\.ok/) });
  });

  it("believes nothing of what a sidecar before it has left", async () => {
    const [first, second] = fixture.segments;
    await fixture.ready([first!, second!]);
    const stanza = fixture.pgbackrest.newStanza();
    const one = await fixture.side(stanza, { config: archiving({ async: true }) });
    await one.archive(first!);
    const other = fixture.pgbackrest.newStanza();
    const { scratch } = one;
    const two = await fixture.side(other, { config: archiving({ async: true }), scratch });
    await two.archive(second!);
    await two.fetch(second!);
  });
});

describe("a stanza", () => {
  it("is made in a repository that is added later, which from then on gets all WAL", async () => {
    const [first, second, third] = fixture.segments;
    await fixture.ready([first!, second!, third!]);
    const stanza = fixture.pgbackrest.newStanza();
    const one = await fixture.side(stanza, { config: archiving({ async: true }) });
    await one.archive(first!);
    const both = { ...stanza, repositories: [...stanza.repositories, fixture.pgbackrest.newRepository()] };
    const two = await one.reopen(both);
    await two.archive(second!);
    await two.archive(third!);
    const only2 = await fixture.side({ ...stanza, repositories: both.repositories.slice(1) });
    await only2.fetch(second!);
    await only2.fetch(third!);
    await expect(only2.fetch(first!)).rejects.toMatchObject({ kind: "NotFound" });
    expect(await two.fetch(first!)).toBeDefined();
  });

  it("of another database system is refused with both, whether or not the check is asked for", async () => {
    const stanza = fixture.pgbackrest.newStanza();
    const other = await fixture.pgbackrest.cluster.create("other", { archive_command: "false" });
    const [foreign] = await fixture.makeWal(other, 1);
    const theirs = await fixture.side(stanza, { server: other });
    await theirs.archive(foreign!);
    const [first] = fixture.segments;
    await fixture.ready([first!]);
    const systemIds = await Promise.all(
      [other, fixture.primary].map((server) => server.value("SELECT system_identifier FROM pg_control_system()")),
    );
    for (const checkEmpty of [false, true]) {
      const side = await fixture.side(stanza);
      await expect(side.archive(first!, { checkEmpty })).rejects.toMatchObject({
        kind: "ForeignArchive",
        message: text(`belongs to database system ${systemIds[0]}.*app/pg; this is database system ${systemIds[1]}`),
      });
      expect(side.commands).not.toContain("archive-push");
    }
  });

  it("that is used is refused to a new cluster, unless its user says otherwise", async () => {
    const [first, second] = fixture.segments;
    await fixture.ready([first!, second!]);
    const stanza = fixture.pgbackrest.newStanza();
    await (await fixture.side(stanza)).archive(first!);
    const restored = { cluster: { namespace: "app", name: "restored", uid: "another" }, checkEmpty: true };
    const side = await fixture.side(stanza);
    await expect(side.archive(second!, restored)).rejects.toMatchObject({
      kind: "ExpectedEmptyArchive",
      message: text(/^Expected empty archive: stanza main-\d+ has backups or WAL in repository 1/),
    });
    await side.archive(second!, { ...restored, skipCheck: true });
  });

  it("takes the same file again, and refuses another under its name", async () => {
    const [first, second] = fixture.segments;
    await fixture.ready([first!]);
    const stanza = fixture.pgbackrest.newStanza();
    const side = await fixture.side(stanza);
    await side.archive(first!);
    await side.archive(first!);
    const kept = await readFile(side.pathOf(first!));
    onTestFinished(() => writeFile(side.pathOf(first!), kept));
    await copyFile(side.pathOf(second!), side.pathOf(first!));
    for (const async of [false, true]) {
      await fixture.ready([first!, second!]);
      const other = await fixture.side(stanza, { config: archiving({ async }) });
      await expect(other.archive(first!)).rejects.toMatchObject({
        kind: "Conflict",
        message: text(/already exists in the repo1 archive with a different checksum/),
      });
    }
  });
});
