import { describe, expect, it } from "vitest";
import type { ObjectStore } from "#api/gen/object-store.ts";
import type { Judgement } from "../judgement.ts";
import type { Archiver } from "./archivers.ts";
import { judgeObjectStore, judgeObjectStoreDeletion } from "./object-store.ts";

const key = (name: string) => ({ name: "minio", key: name });
const configuration = {
  destinationPath: "s3://backups/",
  s3Credentials: { accessKeyId: key("id"), secretAccessKey: key("secret") },
};

const store = (spec: Partial<ObjectStore["spec"]> = {}, status?: ObjectStore["status"]): ObjectStore => ({
  metadata: { name: "minio", namespace: "default" },
  spec: { configuration, ...spec },
  ...(status && { status }),
});

const judge = (object: ObjectStore, more: Partial<Parameters<typeof judgeObjectStore>[0]> = {}): Judgement =>
  judgeObjectStore({ object, archivers: [], clashes: [], ...more });
const fields = ({ problems }: Judgement): string[] => problems.map(({ field }) => field);

const archiver = (cluster: string, archivesNothing = false): Archiver => ({
  cluster,
  serverName: cluster,
  archivesNothing,
});
const at = (destinationPath: string, endpointURL?: string) =>
  store({ configuration: { ...configuration, destinationPath, ...(endpointURL !== undefined && { endpointURL }) } });

describe("an ObjectStore", () => {
  it("that is in order is accepted without a word", () => {
    expect(judge(store())).toEqual({ problems: [], warnings: [] });
  });

  it("tells the problems of its place, its credentials and its sidecar together", () => {
    const wrong = { configuration: { destinationPath: "x" }, instanceSidecarConfiguration: { env: [{ name: "1" }] } };
    expect(fields(judge(store(wrong)))).toEqual([
      "spec.configuration.destinationPath",
      "spec.configuration.s3Credentials",
      "spec.instanceSidecarConfiguration.env[0].name",
    ]);
  });
});

describe("retention", () => {
  it.each(["1d", "30d", "52w", "12m"])("of %s warns that nothing is deleted yet", (retentionPolicy) => {
    const { problems, warnings } = judge(store({ retentionPolicy, retention: { minimumBackups: 1, mode: "Preview" } }));
    expect(problems).toEqual([]);
    expect(warnings).toEqual([
      expect.stringMatching(/spec\.retention\.mode: .*nothing is deleted until it is Enforce/),
    ]);
  });

  it.each(["40000d", "6000w", "1300m", `${"9".repeat(300)}d`])("of %s never deletes", (retentionPolicy) => {
    expect(fields(judge(store({ retentionPolicy })))).toEqual(["spec.retentionPolicy"]);
  });

  it("that keeps a number of backups, of all of which none is deleted, is told to have no effect", () => {
    expect(judge(store({ retention: { minimumBackups: 2 } })).warnings).toEqual([
      expect.stringMatching(/minimumBackups: has no effect without spec\.retentionPolicy/),
    ]);
  });
});

describe("moving a store", () => {
  it.each([
    ["to another path", at("s3://backups/new/"), "spec.configuration.destinationPath"],
    ["to another bucket", at("s3://other/"), "spec.configuration.destinationPath"],
    ["to another server", at("s3://backups/", "http://minio:9000"), "spec.configuration.endpointURL"],
  ])("%s is refused while a Cluster archives to it", (_, object, field) => {
    const judgement = judge(object, { old: store(), archivers: [archiver("pg")] });
    expect(fields(judgement)).toEqual([field]);
    expect(judgement.problems[0]?.message).toContain("Cluster pg archives here");
    expect(fields(judge(object, { old: store() }))).toEqual([]);
  });

  it("is no move when only the spelling changes, or nothing of the place", () => {
    const archivers = [archiver("pg")];
    expect(fields(judge(at("s3://backups"), { old: store(), archivers }))).toEqual([]);
    expect(fields(judge(store({ retentionPolicy: "7d" }), { old: store(), archivers }))).toEqual([]);
  });

  it("is allowed from a place that holds nothing of the Cluster, and said", () => {
    const archivers = [archiver("pg", true)];
    const judgement = judge(at("s3://right/"), { old: store(), archivers });
    expect(judgement.problems).toEqual([]);
    expect(judgement.warnings).toEqual([expect.stringContaining("Cluster pg archives to the new place")]);
  });

  it("is refused when the store lists the server, or more servers than its status names", () => {
    const archivers = [archiver("pg", true)];
    for (const status of [
      { serverCount: 1, servers: [{ name: "pg" }] },
      { serverCount: 101, servers: [{ name: "x" }] },
    ])
      expect(fields(judge(at("s3://right/"), { old: store({}, status), archivers }))).toHaveLength(1);
  });

  it("names a few of many Clusters", () => {
    const archivers = Array.from({ length: 9 }, (_, n) => archiver(`pg-${n}`));
    const [problem] = judge(at("s3://other/"), { old: store(), archivers }).problems;
    expect(problem?.message).toContain("Clusters pg-0, pg-1, pg-2, pg-3, pg-4 and 4 more archive here");
  });
});

describe("a place where another Cluster archives", () => {
  it("is refused, by name only within the namespace", () => {
    const clash = { cluster: "pg", archive: "pg" };
    const messages = judge(store(), { clashes: [{ ...clash, other: "old" }, clash] }).problems.map((p) => p.message);
    expect(messages).toEqual([
      expect.stringContaining("in use by Cluster old"),
      expect.stringContaining("in use by a Cluster of another namespace"),
    ]);
  });

  it("is refused when the store moves there, and only told when it is there already", () => {
    const clashes = [{ cluster: "pg", archive: "pg", other: "old" }];
    expect(fields(judge(at("s3://taken/"), { old: store(), clashes }))).toHaveLength(1);
    const rotated = judge(store({ retentionPolicy: "7d" }), { old: store(), clashes });
    expect(rotated.problems).toEqual([]);
    expect(rotated.warnings).toContainEqual(expect.stringContaining("in use by Cluster old"));
  });
});

describe("deleting a store", () => {
  const deletion = (archivers: readonly Archiver[], namespaceIsTerminating = false) =>
    judgeObjectStoreDeletion({ archivers, namespaceIsTerminating }).problems;

  it("is refused while Clusters archive to it, and never with its namespace", () => {
    expect(deletion([archiver("pg"), archiver("a")])[0]?.message).toBe("Clusters a and pg archive to this store");
    expect(deletion([archiver("pg")], true)).toEqual([]);
    expect(deletion([])).toEqual([]);
  });
});
