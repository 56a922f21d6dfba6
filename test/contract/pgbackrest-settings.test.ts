// What a user reads when a Stanza's settings are wrong, and that nothing of the pod's environment is one of them.
import { expect, describe, it, onTestFinished } from "vitest";
import { useStanzaWal } from "./pgbackrest-wal-fixture.ts";

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
