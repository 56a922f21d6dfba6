// Whoever leaves Holdfast goes on with pgBackRest alone. That we read what was made by hand is in the repository's suite.
import { describe, expect, it, onTestFinished } from "vitest";
import { archiving, useStanzaWal } from "./pgbackrest-wal-fixture.ts";
import { pgbackrestPrograms } from "../cluster/pgbackrest.ts";

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
