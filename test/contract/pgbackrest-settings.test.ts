// What a user reads when a Stanza's settings are wrong, and that nothing of the pod's environment is one of them.
import { describe, expect, it, onTestFinished } from "vitest";
import { readOwnerMark } from "#engine/pgbackrest/owner-mark.ts";
import { cluster, useStanzaWal } from "./pgbackrest-wal-fixture.ts";

const fixture = useStanzaWal(2);
const text = (pattern: RegExp | string): string => expect.stringMatching(pattern) as string;
const absent = "0000000100000000000000F0";

describe("a mistake in the settings", () => {
  it("is told as one of the passphrase", async () => {
    const repository = fixture.pgbackrest.newRepository({ passphrase: "right" });
    const [first, second] = fixture.segments;
    await fixture.ready([first!, second!]);
    const stanza = fixture.pgbackrest.newStanza([repository]);
    const side = await fixture.side(stanza);
    await side.archive(first!);
    await side.fetch(first!);
    const wrong = await fixture.side({ ...stanza, repositories: [{ ...repository, passphrase: "wrong" }] });
    await expect(wrong.archive(second!)).rejects.toMatchObject({
      kind: "StoreRefused",
      message: text(/\[(Crypto|Format)Error\]/),
      hint: text(/passphrase/),
    });
    await expect(wrong.fetch(first!)).rejects.toMatchObject({ kind: "StoreRefused" });
    await expect(wrong.fetch(absent)).rejects.toMatchObject({ kind: "StoreRefused" });
  });

  it("is told as one of the bucket, and never an absence", async () => {
    const stanza = fixture.pgbackrest.newStanza();
    const [first] = fixture.segments;
    await fixture.ready([first!]);
    const { repositories, ...config } = fixture.pgbackrest.stanzaConfig(stanza);
    const elsewhere = repositories.map((one) => (one.type === "s3" ? { ...one, bucket: "missing" } : one));
    const side = await fixture.side(stanza, { config: { ...config, repositories: elsewhere } });
    const refused = { kind: "StoreRefused", message: text(/NoSuchBucket/) };
    await expect(side.archive(first!)).rejects.toMatchObject(refused);
    await expect(side.fetch(first!)).rejects.toMatchObject(refused);
  });

  it("that makes pgBackRest talk hides no owner's mark", async () => {
    const [first, second] = fixture.segments;
    await fixture.ready([first!, second!]);
    const stanza = fixture.pgbackrest.newStanza();
    await (await fixture.side(stanza)).archive(first!, { checkEmpty: true });
    // An option of a later version: this one warns of it on its standard output, before what it was asked for.
    const talking = await fixture.side(stanza, { config: { variables: { PGBACKREST_ALLOW_ROOT: "y" } } });
    const { pgbackrest } = talking.target;
    const asked = { repository: 1, signal: AbortSignal.timeout(30_000) };
    const { stdout } = await pgbackrest.run("repo-ls", { ...asked, deadlineMs: 30_000 });
    expect(stdout).toMatch(/^P00 +WARN: environment contains invalid option 'allow-root'/);
    expect(await readOwnerMark(pgbackrest, asked)).toMatchObject({ cluster });
    await talking.archive(second!);
    expect(talking.commands.filter((command) => command.startsWith("repo-"))).toEqual([
      "repo-ls",
      "repo-get",
      "repo-get",
    ]);
  });

  it("of the pod's environment does no harm", async () => {
    process.env["PGBACKREST_SERVICE_HOST"] = "10.0.0.1";
    process.env["PGBACKREST_PORT"] = "tcp://10.0.0.1:80";
    onTestFinished(() => {
      delete process.env["PGBACKREST_SERVICE_HOST"];
      delete process.env["PGBACKREST_PORT"];
    });
    const [first] = fixture.segments;
    await fixture.ready([first!]);
    const side = await fixture.side(fixture.pgbackrest.newStanza());
    await side.archive(first!);
    await side.fetch(first!);
  });
});
