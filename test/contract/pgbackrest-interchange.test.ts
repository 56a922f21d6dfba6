// Whoever leaves Holdfast goes on with pgBackRest alone, and who comes to it brings backups along. That we list what was
// made by hand is in the repository's suite.
import { describe, expect, it, onTestFinished } from "vitest";
import { previewStanzaRecovery } from "#engine/pgbackrest/preview.ts";
import { signal } from "./backup-fixture.ts";
import { engineVersions, StanzaUnderTest } from "./pgbackrest-engine.ts";
import { archiving, useStanzaWal } from "./pgbackrest-wal-fixture.ts";
import { pgbackrestPrograms, type PgbackrestProgram } from "../cluster/pgbackrest.ts";

const fixture = useStanzaWal(2);

describe("a stanza that the sidecar made", () => {
  it("is one that pgbackrest 2.45 by hand finds in order and goes on with", async () => {
    const { pgbackrest, primary } = fixture;
    const [program] = pgbackrestPrograms();
    const [first, second] = fixture.segments;
    const stanza = pgbackrest.newStanza([pgbackrest.newRepository({ passphrase: "correct horse" })]);
    await fixture.ready([first!, second!]);
    const side = await fixture.side(stanza, { config: archiving({ async: true }) });
    for (const name of [first!, second!]) await side.archive(name);

    const hand = await pgbackrest.byHand({ ...(program && { program }), stanza, server: primary });
    await primary.query(`ALTER SYSTEM SET archive_command = '${hand.archiveCommand}'`);
    await primary.query("SELECT pg_reload_conf()");
    onTestFinished(async () => {
      await primary.query("ALTER SYSTEM RESET archive_command");
      await primary.query("SELECT pg_reload_conf()");
    });
    await hand.run("check");
    const [info] = JSON.parse(await hand.run("info", "--output=json")) as [{ archive: { min: string; max: string }[] }];
    const [archive] = info.archive;
    expect(archive?.min).toBe(first);
    expect(archive!.max > second!, "what was archived by hand follows").toBe(true);
  });
});

describe("a stanza that pgbackrest 2.45 made by hand", () => {
  it("is one that the sidecar restores a chain of backups from, with all that was written after it", async () => {
    const { pgbackrest } = fixture;
    const [oldest, image] = engineVersions as [PgbackrestProgram, PgbackrestProgram];
    expect(oldest.version).toMatch(/^2\.45/);
    const stanza = pgbackrest.newStanza([pgbackrest.newRepository({ passphrase: "correct horse" })]);
    const byHand = await StanzaUnderTest.create(pgbackrest, oldest, stanza);
    const insert = (rows: number) =>
      pgbackrest.primary.query(`INSERT INTO public.brought SELECT generate_series(1, ${rows})`);
    await pgbackrest.primary.query("CREATE TABLE public.brought (row int)");
    await insert(1000);
    await byHand.hand.run("backup", "--type=full");
    await insert(200);
    await byHand.hand.run("backup", "--type=incr");
    await insert(30);
    await byHand.archiveAll();

    const ours = await StanzaUnderTest.of(pgbackrest, image, stanza);
    const preview = await previewStanzaRecovery({ pgbackrest: ours.pgbackrest, target: undefined, signal });
    if (preview.kind !== "reachable") throw new Error(`not reachable: ${JSON.stringify(preview)}`);
    const { id: label } = preview.backup;
    expect(preview.backup).toMatchObject({ type: "incr", repository: 1 });
    const atBackup = await ours.recover(await ours.restore({ label, repository: 1 }), { recovery_target: "immediate" });
    expect(await atBackup.value("SELECT count(*) FROM public.brought")).toBe("1200");
    expect(await atBackup.value("SELECT count(*) FROM public.pgbench_accounts")).toBe("200000");
    const atEnd = await ours.recover(await ours.restore({ label, repository: 1 }));
    expect(await atEnd.value("SELECT count(*) FROM public.brought")).toBe("1230");
  });
});
