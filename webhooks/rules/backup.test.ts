import { describe, expect, it } from "vitest";
import type { Backup } from "#api/gen/backup.ts";
import { judgeBackup } from "./backup.ts";

type Spec = Backup["spec"];
const backup = (spec: Spec, name = "b"): Backup => ({ metadata: { name, namespace: "db" }, spec });
const request: Spec = { cluster: { name: "pg" }, deadline: "24h", retryLimit: 0, deletionPolicy: "Retain" };
const record: Spec = {
  repository: { kind: "ObjectStore", name: "minio", serverName: "pg" },
  backupId: "20261121T091500",
  deadline: "24h",
};
const problems = (spec: Spec, old?: Spec, name?: string): string[] =>
  judgeBackup({ object: backup(spec, name), ...(old && { old: backup(old, name) }) }).problems.map(
    ({ field, message, hint }) => `${field}: ${message} (${hint})`,
  );

describe("a Backup at admission", () => {
  it("is a request or a record, without a word", () => {
    expect(judgeBackup({ object: backup({ ...request, type: "full", target: "primary" }) })).toEqual({
      problems: [],
      warnings: [],
    });
    expect(problems(record)).toEqual([]);
  });

  it.each<[string, Spec, string | undefined, RegExp]>([
    ["neither", { deadline: "24h" }, undefined, /^spec: neither cluster nor repository/],
    ["both", { ...request, ...record }, undefined, /^spec: both cluster and repository .*request.*record/],
    [
      "a record without id",
      { repository: record.repository! },
      undefined,
      /^spec\.backupId: goes with spec\.repository/,
    ],
    ["a request with id", { ...request, backupId: "x" }, undefined, /^spec\.backupId: .*none for a request/],
    ["a long name", request, "b".repeat(64), /^metadata\.name: has 64 characters \(at most 63/],
    ["no name of a Cluster", { ...request, cluster: { name: "Pg_1" } }, undefined, /^spec\.cluster\.name: .*Pg_1/],
    ["days", { ...request, deadline: "6d" }, undefined, /^spec\.deadline: not a duration: 6d \(.*6h or 1h30m\)/],
    ["nothing", { ...request, deadline: "" }, undefined, /^spec\.deadline: not a duration/],
    ["seconds", { ...request, deadline: "59s" }, undefined, /^spec\.deadline: out of bounds: 59s \(between 1m/],
    ["weeks", { ...request, deadline: "168h1s" }, undefined, /^spec\.deadline: out of bounds/],
    ["too many tries", { ...request, retryLimit: 11 }, undefined, /^spec\.retryLimit: .*0 to 10/],
    ["half a try", { ...request, retryLimit: 0.5 }, undefined, /^spec\.retryLimit: .*whole number/],
    ["a record's target", { ...record, target: "primary" }, undefined, /^spec\.target: goes with spec\.cluster/],
  ])("is refused with its path and the mend: %s", (_, spec, name, words) => {
    const said = problems(spec, undefined, name);
    expect(said).toEqual([expect.stringMatching(words)]);
  });

  it.each<[string, Spec]>([
    ["spec.cluster", { ...request, cluster: { name: "other" } }],
    ["spec.deadline", { ...request, deadline: "1h" }],
    ["spec.retryLimit", { ...request, retryLimit: 3 }],
    ["spec.type", { ...request, type: "full" }],
  ])("cannot be changed: %s", (field, spec) => {
    expect(problems(spec, request)).toEqual([expect.stringMatching(`^${field}: .*make another`)]);
  });

  it("may change what becomes of its data, and is told what that means", () => {
    const object = backup({ ...request, deletionPolicy: "Delete" });
    const judged = judgeBackup({ object, old: backup(request) });
    expect(judged).toEqual({ problems: [], warnings: [expect.stringContaining("deletes its data")] });
    expect(judgeBackup({ object, old: object }).warnings).toEqual([]);
    const reordered = { ...record, repository: { serverName: "pg", name: "minio", kind: "ObjectStore" } } as const;
    expect(problems(reordered, record)).toEqual([]);
  });

  it("is told that records make themselves", () => {
    expect(judgeBackup({ object: backup(record) }).warnings).toEqual([expect.stringContaining("Missing unless")]);
    for (const warning of judgeBackup({ object: backup(record) }).warnings)
      expect(Buffer.byteLength(warning)).toBeLessThanOrEqual(256);
  });
});
