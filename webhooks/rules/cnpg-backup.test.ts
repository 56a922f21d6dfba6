import { describe, expect, it } from "vitest";
import { judge, type JudgeDeps } from "../kinds.ts";
import { describeFinding, type AdmissionRequest } from "../review.ts";
import type { Destination } from "./destination.ts";

const destinations: Readonly<Record<string, Destination>> = {
  pg: { kind: "Stanza", name: "main", repositories: 2 },
  early: { kind: "Stanza", name: "later" },
  old: { kind: "ObjectStore", name: "minio" },
};
const deps = {
  facts: { destination: (_: string, cluster: string) => destinations[cluster] },
  now: () => new Date(),
} as unknown as JudgeDeps;

type Parameters = Readonly<Record<string, string>>;
const specOf = (parameters: Parameters, cluster: string, plugin = "holdfast.dev") => ({
  method: "plugin",
  cluster: { name: cluster },
  pluginConfiguration: { name: plugin, parameters },
});
const request = (spec: object, more: Partial<AdmissionRequest> = {}): AdmissionRequest => ({
  uid: "u",
  operation: "CREATE",
  resource: "backups.postgresql.cnpg.io",
  group: "postgresql.cnpg.io",
  kind: "Backup",
  namespace: "db",
  name: "b",
  object: { metadata: { name: "b" }, spec },
  ...more,
});
const refused = (spec: object, more?: Partial<AdmissionRequest>): readonly string[] =>
  judge(request(spec, more), deps).problems.map(describeFinding);

describe("a CNPG Backup at admission", () => {
  it.each<[Parameters, string]>([
    [{}, "pg"],
    [{ type: "incr", backupType: "incr", selectedRepository: "2" }, "pg"],
    [{ selectedRepository: "9" }, "early"],
    [{ type: "full" }, "old"],
    [{ tpye: "incr" }, "not there yet"],
  ])("may ask for %j of %s", (parameters, cluster) => {
    expect(refused(specOf(parameters, cluster))).toEqual([]);
  });

  it.each<[Parameters, string, readonly RegExp[]]>([
    [
      { tpye: "incr" },
      "pg",
      [/^spec\.pluginConfiguration\.parameters\.tpye: unknown parameter.*\(did you mean type\?\)/],
    ],
    [{ type: "Full" }, "pg", [/parameters\.type: there is no type "Full".* \(write full, diff, incr\)/]],
    [{ type: "full", backupType: "incr" }, "pg", [/parameters\.backupType: type is full.*\(give one of them\)/]],
    [
      { selectedRepository: "3" },
      "pg",
      [/parameters\.selectedRepository: .*no repository "3"; .*Stanza main \(write 1, 2\)/],
    ],
    [{ selectedRepository: "one" }, "early", [/no repository "one"/]],
    [
      { type: "incr", selectedRepository: "1" },
      "old",
      [/only a Stanza has several.*leave it out/, /full backups only, not incr.*ObjectStore minio/],
    ],
  ])("is refused with the path and the mend: %j of %s", (parameters, cluster, words) => {
    expect(refused(specOf(parameters, cluster))).toEqual(words.map((each) => expect.stringMatching(each) as string));
  });

  it("is none of our business by another plugin or method", () => {
    expect(refused(specOf({ tpye: "incr" }, "pg", "other.example"))).toEqual([]);
    expect(refused({ ...specOf({ tpye: "incr" }, "pg"), method: "volumeSnapshot" })).toEqual([]);
  });

  it("is only warned of when a controller makes it: it is seen to fail", () => {
    const spec = specOf({ selectedRepository: "3" }, "pg");
    for (const metadata of [
      { labels: { "cnpg.io/scheduled-backup": "nightly" } },
      { labels: { "holdfast.dev/backup": "b" } },
      { ownerReferences: [{ kind: "ScheduledBackup", name: "nightly", uid: "s", controller: true }] },
    ]) {
      const { problems, warnings } = judge(request(spec, { object: { metadata, spec } }), deps);
      expect(problems).toEqual([]);
      expect(warnings).toEqual([expect.stringContaining('no repository "3"')]);
    }
  });
});

it("a ScheduledBackup is judged the same, and by what a change adds", () => {
  const resource = "scheduledbackups.postgresql.cnpg.io";
  const wrong = specOf({ selectedRepository: "3" }, "pg");
  expect(refused(wrong, { resource, kind: "ScheduledBackup" })).toHaveLength(1);
  const suspended = { ...wrong, suspend: true };
  const old = { metadata: { name: "b" }, spec: wrong };
  const change = request(suspended, { resource, operation: "UPDATE", old });
  expect(judge(change, deps)).toMatchObject({ problems: [], warnings: [expect.stringContaining("no repository")] });
});
