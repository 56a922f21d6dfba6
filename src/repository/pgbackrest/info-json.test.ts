import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseInfo } from "./info-json.ts";

/** As pgbackrest 2.45 and 2.60 wrote it, with a second repository that cannot be read. */
const answer = `[{"archive":[{"database":{"id":1,"repo-key":1},"id":"15-1","max":"000000010000000000000008","min":"000000010000000000000007"}],
"backup":[
{"annotation":{"holdfast-backup":"first"},"archive":{"start":"000000010000000000000007","stop":"000000010000000000000007"},
"backrest":{"format":5,"version":"2.45"},"database":{"id":1,"repo-key":1},"error":false,
"info":{"delta":22992520,"repository":{"delta":3043095,"size":3043095},"size":22992520},"label":"20261126-181459F",
"lsn":{"start":"0/700028","stop":"0/700100"},"prior":null,"reference":null,"timestamp":{"start":1795716899,"stop":1795716902},"type":"full"},
{"archive":{"start":"000000010000000000000008","stop":"000000010000000000000008"},"backrest":{"format":5,"version":"2.60.0"},
"database":{"id":1,"repo-key":1},"error":true,"info":{"delta":8456,"repository":{"delta":429,"delta-map":12,"size-map":6},"size":22992520},
"label":"20261126-181459F_20261126-181503I","lsn":{"start":"0/800028","stop":"1F/800100"},"prior":"20261126-181459F",
"reference":["20261126-181459F"],"timestamp":{"start":1795716903,"stop":1795716904},"type":"incr"}],
"cipher":"mixed","db":[{"id":1,"repo-key":1,"system-id":7712545339295462210,"version":"15"}],"name":"main",
"repo":[{"cipher":"none","key":1,"status":{"code":0,"message":"ok"}},
{"cipher":"aes-256-cbc","key":2,"status":{"code":99,"message":"[CryptoError] unable to load info file '/r/archive/main/archive.info':\\nCryptoError: cipher header invalid"}}],
"status":{"code":4,"lock":{"backup":{"held":false},"restore":{"held":false}},"message":"different across repos"}}]
`;

describe("the answer of info", () => {
  it("tells of databases with every digit of their system id", () => {
    expect(parseInfo(answer, "main")?.databases).toEqual([
      { id: 1, repositoryKey: 1, systemId: "7712545339295462210", version: "15" },
    ]);
  });

  it("tells of backups, their chain, positions, sizes and annotations", () => {
    const [full, incr] = parseInfo(answer, "main")!.backups;
    expect(full).toEqual({
      label: "20261126-181459F",
      type: "full",
      repositoryKey: 1,
      databaseId: 1,
      references: [],
      beginWal: "000000010000000000000007",
      endWal: "000000010000000000000007",
      beginLsn: 0x700028n,
      endLsn: 0x700100n,
      beginSeconds: 1795716899,
      endSeconds: 1795716902,
      sizeBytes: 22992520,
      copiedBytes: 22992520,
      addedBytes: 3043095,
      hasPageErrors: false,
      annotations: { "holdfast-backup": "first" },
    });
    expect(incr).toMatchObject({
      type: "incr",
      prior: "20261126-181459F",
      references: ["20261126-181459F"],
      hasPageErrors: true,
      endLsn: 0x1f00800100n,
      addedBytes: 429,
    });
  });

  it("tells of each repository for itself, and of the archive's ends", () => {
    const info = parseInfo(answer, "main")!;
    expect(info.repositories).toEqual([
      { key: 1, status: { code: 0, message: "ok" }, state: "Ok" },
      {
        key: 2,
        status: { code: 99, message: expect.stringContaining("the passphrase is wrong"), problem: "AccessDenied" },
        state: "Refused",
      },
    ]);
    expect(info.archives).toEqual([
      { id: "15-1", databaseId: 1, repositoryKey: 1, min: "000000010000000000000007", max: "000000010000000000000008" },
    ]);
  });

  it("is found behind lines of a log", () => {
    const logged = `P00   WARN: environment contains invalid option 'service-host'\n${answer}`;
    expect(parseInfo(logged, "main")).toEqual(parseInfo(answer, "main"));
  });

  it("is none for another stanza, nothing, or half of an answer", () => {
    expect(parseInfo(answer, "other")).toBeUndefined();
    expect(parseInfo("[]\n", "main")).toBeUndefined();
    expect(parseInfo("", "main")).toBeUndefined();
    expect(parseInfo(answer.slice(0, 400), "main")).toBeUndefined();
  });

  it("takes an archive without any segment as it is", () => {
    const empty = `[{"name":"main","archive":[{"database":{"id":1,"repo-key":1},"id":"15-1","max":null,"min":null}],"backup":[]}]`;
    expect(parseInfo(empty, "main")).toMatchObject({ archives: [{ id: "15-1" }], backups: [], repositories: [] });
  });

  it("survives whatever a version may write in any place of it", () => {
    const places = JSON.parse(answer)[0] as Record<string, unknown>;
    const key = fc.constantFrom(...Object.keys(places), "label", "database", "status", "annotation", "reference");
    fc.assert(
      fc.property(fc.dictionary(key, fc.jsonValue({ depthSize: "medium" })), fc.integer(), (odd, at) => {
        const backups = places["backup"] as Record<string, unknown>[];
        const backup = { ...backups[Math.abs(at) % backups.length], ...odd };
        const text = JSON.stringify([
          { ...places, ...odd, name: "main" },
          { ...places, name: "main", backup: [backup] },
        ]);
        expect(parseInfo(text, "main")?.stanza).toBe("main");
        expect(() => parseInfo(text.slice(0, Math.abs(at) % text.length), "main")).not.toThrow();
      }),
    );
  });

  it("survives raw bytes in a message", () => {
    const odd = answer.replace("cipher header invalid", "\u0001\u0007\ufffd\n\u001b[31m");
    expect(parseInfo(odd, "main")?.repositories).toHaveLength(2);
  });
});
