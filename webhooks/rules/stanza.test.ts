import { describe, expect, it } from "vitest";
import type { Stanza } from "#api/gen/stanza.ts";
import type { Judgement } from "../judgement.ts";
import type { Archiver } from "./archivers.ts";
import { judgeStanza, judgeStanzaDeletion, type StanzaSubject } from "./stanza.ts";

type Fields = Readonly<Record<string, unknown>>;

const key = (name: string) => ({ name: "login", key: name });
const retentionPolicy = { full: 2 };
const inS3 = (path: string, more: Fields = {}): Fields => ({
  bucket: "backups",
  endpoint: "minio:9000",
  region: "us-east-1",
  repoPath: path,
  secretRef: { accessKeyId: key("ID"), secretAccessKey: key("SECRET") },
  retentionPolicy,
  ...more,
});
const inAzure = (path: string, more: Fields = {}): Fields => ({
  account: "account1",
  container: "backups",
  repoPath: path,
  secretRef: { keyReference: key("KEY") },
  retentionPolicy,
  ...more,
});

interface Given {
  readonly name?: string;
  readonly s3?: readonly Fields[];
  readonly azure?: readonly Fields[];
  readonly mode?: string;
  readonly env?: readonly Fields[];
  readonly status?: Fields;
}

const stanza = ({ name = "main", s3 = [inS3("/pg")], azure = [], mode = "Preview", env = [], status }: Given = {}) =>
  ({
    metadata: { name: "main", namespace: "db" },
    spec: {
      stanzaConfiguration: { name, s3Repositories: s3, azureRepositories: azure },
      retention: { mode },
      instanceSidecarConfiguration: { env },
    },
    ...(status && { status }),
  }) as unknown as Stanza;

const archiver = (cluster: string, archivesNothing = false): Archiver => ({ cluster, archivesNothing });
const judge = (object: Stanza, more: Partial<StanzaSubject> = {}): Judgement =>
  judgeStanza({ object, archivers: [], clashes: [], ...more });
const told = ({ problems }: Judgement): string[] => problems.map(({ field, message }) => `${field}: ${message}`);
const preview = expect.stringContaining("spec.retention.mode: is Preview");

describe("a Stanza", () => {
  it("is accepted, and told that nothing is removed yet", () => {
    expect(judge(stanza())).toEqual({ problems: [], warnings: [preview] });
  });

  it("is refused for what is wrong with its spec and with the sidecar's settings", () => {
    const given = stanza({ s3: [inS3("pg")], env: [{ name: "A B" }] });
    expect(judge(given).problems.map(({ field }) => field)).toEqual([
      "spec.stanzaConfiguration.s3Repositories[0].repoPath",
      "spec.instanceSidecarConfiguration.env[0].name",
    ]);
  });

  it("is told that the sidecar's own variables say nothing to pgBackRest", () => {
    const { warnings } = judge(stanza({ env: [{ name: "PGBACKREST_IO_TIMEOUT", value: "5" }] }));
    expect(warnings[0]).toContain("env[0]: has no effect: write it in spec.stanzaConfiguration.customEnvVar");
  });
});

describe("a Stanza that a Cluster archives to", () => {
  const archivers = [archiver("pg")];
  const change = (from: Given, to: Given, by: readonly Archiver[] = archivers): Judgement =>
    judge(stanza(to), { old: stanza(from), archivers: by });
  const both = { s3: [inS3("/a")], azure: [inAzure("/b")] };

  it.each<[string, Given, Given, string]>([
    ["its name", {}, { name: "other" }, 'spec.stanzaConfiguration.name: Cluster pg archives into "main"'],
    [
      "the path of a repository",
      { s3: [inS3("/a")] },
      { s3: [inS3("/b")] },
      "spec.stanzaConfiguration.s3Repositories[0]: repository 1 is at another place, and Cluster pg archives to it",
    ],
    [
      "the bucket",
      {},
      { s3: [inS3("/pg", { bucket: "other" })] },
      "s3Repositories[0]: repository 1 is at another place",
    ],
    ["the server", {}, { s3: [inS3("/pg", { endpoint: "other:9000" })] }, "s3Repositories[0]: repository 1 is at"],
    ["the container", both, { ...both, azure: [inAzure("/c")] }, "azureRepositories[0]: repository 2 is at another"],
    [
      "the cloud",
      { s3: [inS3("/a")] },
      { s3: [], azure: [inAzure("/b")] },
      "azureRepositories[0]: repository 1 is at another place",
    ],
    [
      "the first of two, by taking it away",
      { s3: [inS3("/a"), inS3("/b")] },
      { s3: [inS3("/b")] },
      "s3Repositories[0]: was repository 2 and would be 1",
    ],
    [
      "the numbers of those in Azure, by one more in S3",
      both,
      { ...both, s3: [inS3("/a"), inS3("/c")] },
      "azureRepositories[0]: was repository 2 and would be 3",
    ],
    [
      "that it is not encrypted",
      {},
      { s3: [inS3("/pg", { cipherConfig: { encryptionPass: key("PASS") } })] },
      "s3Repositories[0].cipherConfig: repository 1 is not encrypted: that was chosen when the stanza was created",
    ],
    [
      "that it is encrypted",
      { s3: [inS3("/pg", { cipherConfig: { encryptionPass: key("PASS") } })] },
      {},
      "s3Repositories[0].cipherConfig: repository 1 is encrypted: that was chosen",
    ],
  ])("keeps %s", (_, from, to, said) => {
    expect(told(change(from, to))).toEqual([expect.stringContaining(said)]);
    expect(told(change(from, to, []))).toEqual([]);
  });

  it("keeps the order of its repositories", () => {
    const { problems } = change({ s3: [inS3("/a"), inS3("/b")] }, { s3: [inS3("/b"), inS3("/a")] });
    expect(problems.map(({ message }) => message.replace(/,.*/, ""))).toEqual([
      "was repository 1 and would be 2",
      "was repository 2 and would be 1",
    ]);
  });

  it("says how those in Azure keep their numbers", () => {
    const { problems } = change(both, { ...both, s3: [inS3("/a"), inS3("/c")] });
    expect(problems[0]?.hint).toContain("add one in Azure, or make another Stanza");
  });

  it("may get another one at the end, and lose the last", () => {
    const grown = change({ s3: [inS3("/a")] }, both);
    expect(grown).toEqual({
      problems: [],
      warnings: [
        "spec.stanzaConfiguration.azureRepositories[0]: is new and empty: make a full backup into it, with selectedRepository: 2",
        preview,
      ],
    });
    const shrunk = change(both, { s3: [inS3("/a")] });
    expect(shrunk.problems).toEqual([]);
    expect(shrunk.warnings).toContain(
      "spec.stanzaConfiguration: nothing more is written to repository 2; what it holds stays",
    );
  });

  it("may be written in another way, with other logins, and with another Secret for the same passphrase", () => {
    const same = {
      s3: [
        inS3("/pg/", {
          endpoint: "https://minio.db.svc:9000",
          secretRef: { accessKeyId: key("A"), secretAccessKey: key("B") },
        }),
      ],
    };
    expect(told(change({}, same))).toEqual([]);
    const encrypted = (name: string) => ({
      s3: [inS3("/pg", { cipherConfig: { encryptionPass: { name, key: "PASS" } } })],
    });
    const renamed = change(encrypted("old"), encrypted("new"));
    expect(renamed.problems).toEqual([]);
    expect(renamed.warnings[0]).toContain("cipherConfig.encryptionPass: must hold the passphrase of before");
  });

  it("may be corrected while nothing is in it", () => {
    const waiting = [archiver("pg", true)];
    const mended: Given = { s3: [inS3("/right")], name: "right" };
    expect(told(change({ s3: [inS3("/wrogn")] }, mended, waiting))).toEqual([]);
    // But what the last look found counts.
    const status = { repositories: [{ key: 1, state: "NoBackup" }] };
    expect(told(change({ s3: [inS3("/wrogn")], status }, mended, waiting))).toHaveLength(2);
  });

  it("keeps its cipher also while no Cluster archives, once it was created", () => {
    const status = { repositories: [{ key: 1, state: "Ok" }] };
    const encrypted = { s3: [inS3("/pg", { cipherConfig: { encryptionPass: key("PASS") } })] };
    expect(told(change({ status }, encrypted, []))).toHaveLength(1);
  });

  it("is told what a smaller retention takes away, when it is enforced", () => {
    const keeping = (full: number, mode: string): Given => ({ s3: [inS3("/pg", { retentionPolicy: { full } })], mode });
    expect(change(keeping(7, "Enforce"), keeping(2, "Enforce")).warnings[0]).toContain(
      "retentionPolicy.full: keeps 2 instead of 7: the next run removes what is beyond",
    );
    expect(change(keeping(7, "Preview"), keeping(2, "Preview")).warnings).toEqual([preview]);
    expect(change(keeping(2, "Enforce"), keeping(7, "Enforce")).warnings).toEqual([
      expect.stringContaining("is Enforce: pgBackRest removes"),
    ]);
  });

  it.each<[string, Fields, Fields, string | undefined]>([
    ["days instead of backups", { full: 7 }, { full: 7, fullType: "time" }, "full: keeps 7 days instead of 7 backups:"],
    ["backups instead of days", { full: 7, fullType: "time" }, { full: 8 }, "full: keeps 8 backups instead of 7 days:"],
    ["fewer days", { full: 9, fullType: "time" }, { full: 7, fullType: "time" }, "full: keeps 7 instead of 9:"],
    ["the same in more words", { full: 7 }, { full: 7, fullType: "count" }, undefined],
    ["a history that ends", {}, { history: 30 }, "history: keeps 30 days of manifests: the next run"],
    ["a shorter history", { history: 90 }, { history: 0 }, "history: keeps 0 days of manifests instead of 90:"],
    ["a history without end", { history: 90 }, {}, undefined],
    [
      "the WAL of smaller backups",
      { full: 2, archive: 2 },
      { full: 2, archive: 2, archiveType: "incr" },
      "archive: keeps 2 incr backups with their WAL instead of 2 full backups with their WAL:",
    ],
  ])("is told when what is enforced keeps %s", (_, before, after, said) => {
    const enforcing = (policy: Fields): Given => ({ s3: [inS3("/pg", { retentionPolicy: policy })], mode: "Enforce" });
    const told = change(enforcing(before), enforcing(after)).warnings.filter((text) => text.includes("the next run"));
    expect(told).toEqual(said === undefined ? [] : [expect.stringContaining(`retentionPolicy.${said}`)]);
  });

  it("cannot be deleted, but with its namespace", () => {
    const deletion = (namespaceIsTerminating: boolean) => judgeStanzaDeletion({ archivers, namespaceIsTerminating });
    expect(told(deletion(false))).toEqual(["metadata.name: Cluster pg archives to this Stanza"]);
    expect(told(deletion(true))).toEqual([]);
  });
});

describe("a stanza that another Cluster archives into", () => {
  const clashes = [{ cluster: "pg", archive: "main", other: "old" }];

  it("is refused, by name only within the namespace", () => {
    const messages = told(judge(stanza(), { clashes: [...clashes, { cluster: "pg", archive: "main" }] }));
    expect(messages).toEqual([
      expect.stringContaining("in use by Cluster old"),
      expect.stringContaining("in use by a Cluster of another namespace"),
    ]);
  });

  it("is refused when a repository is added there, and only told when it is there already", () => {
    const grown = stanza({ azure: [inAzure("/pg")] });
    expect(told(judge(grown, { old: stanza(), clashes }))).toHaveLength(1);
    const rotated = judge(stanza({ mode: "Enforce" }), { old: stanza(), clashes });
    expect(rotated.problems).toEqual([]);
    expect(rotated.warnings[0]).toContain("in use by Cluster old");
  });
});
