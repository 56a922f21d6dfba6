// Every version of pgBackRest that tests compare with does its whole work here: over verified TLS, into a store that speaks
// S3, told by variables alone, with workers of its own and in the background. What the other tests find is then about the
// product and not about the program.
import { describe, expect, it, onTestFinished } from "vitest";
import { pgbackrestPrograms } from "../cluster/pgbackrest.ts";
import { poll } from "./backup-fixture.ts";
import { signalRecovery } from "./backup-cluster.ts";
import { usePgbackrest } from "./pgbackrest-fixture.ts";

const fixture = usePgbackrest();

interface Info {
  readonly status: { readonly code: number };
  readonly archive: readonly { readonly max: string }[];
  readonly backup: readonly { readonly label: string; readonly type: string }[];
}

describe.each(pgbackrestPrograms())("pgbackrest $version", (program) => {
  it.each(["n", "y"])("archives, backs up, tells and restores, async %s", async (async) => {
    const variables = { PGBACKREST_ARCHIVE_ASYNC: async, PGBACKREST_PROCESS_MAX: "2" };
    const stanza = fixture.newStanza([fixture.newRepository({ passphrase: "a passphrase" })]);
    // Once as is the default, once with small files packed into few.
    const hand = await fixture.byHand({ program, stanza, variables, isQuick: async === "y" });
    expect(await hand.run("version")).toBe(`pgBackRest ${program.version}\n`);
    await hand.run("stanza-create");
    await fixture.archiveWith(hand.archiveCommand);
    await hand.run("check");
    await hand.run("backup", "--type=full");
    await fixture.primary.query(`CREATE TABLE public."${program.version} ${async}" AS SELECT 1 AS one`);
    await hand.run("backup", "--type=incr");
    const segment = await fixture.primary.value("SELECT pg_walfile_name(pg_switch_wal())");
    const info = async (): Promise<Info> => JSON.parse(await hand.run("info", "--output=json"))[0];
    await poll(async () => (await info()).archive[0]?.max === segment);
    expect(await info()).toMatchObject({ status: { code: 0 }, backup: [{ type: "full" }, { type: "incr" }] });

    const pgdata = fixture.cluster.newPath("restored");
    await hand.run("restore", `--pg1-path=${pgdata}`, `--recovery-option=restore_command=${hand.restoreCommand}`);
    await signalRecovery(pgdata, "recovery");
    const settings = { archive_mode: "off", restore_command: hand.restoreCommand };
    const restored = await fixture.cluster.start(pgdata, settings);
    onTestFinished(() => restored.stop());
    await poll(async () => (await restored.value("SELECT pg_is_in_recovery()")) === "f");
    expect(await restored.value(`SELECT one FROM public."${program.version} ${async}"`)).toBe("1");
    expect(await restored.value("SELECT count(*) FROM public.pgbench_accounts")).toBe("200000");
  });

  it("does not trust a store whose authority it was not given", async () => {
    const variables = {
      PGBACKREST_REPO1_STORAGE_CA_FILE: "/etc/ssl/certs/ca-certificates.crt",
      PGBACKREST_IO_TIMEOUT: "1",
    };
    const hand = await fixture.byHand({ program, stanza: fixture.newStanza(), variables });
    await expect(hand.run("stanza-create")).rejects.toThrow(/certificate/);
  });
});
