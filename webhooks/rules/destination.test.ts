import { describe, expect, it } from "vitest";
import { judgeAsked, type Asked, type Destination } from "./destination.ts";

const store: Destination = { kind: "ObjectStore", name: "minio" };
const stanza: Destination = { kind: "Stanza", name: "main", repositories: 2 };
const judge = (asked: Asked, destination?: Destination): readonly string[] =>
  judgeAsked(asked, "spec", destination).problems.map(({ field, message }) => `${field}: ${message}`);

describe("what is asked of a backup", () => {
  it.each(["diff", "incr"])("that goes to an ObjectStore cannot be %s", (type) => {
    expect(judge({ type }, store)).toEqual([
      `spec.type: the Cluster's backups go to ObjectStore minio, which knows full ones only, not ${type}`,
    ]);
    expect(judge({ type }, stanza)).toEqual([]);
    expect(judge({ type }, undefined)).toEqual([]);
  });

  it("can be a full one anywhere", () => {
    expect(judge({ type: "full" }, store)).toEqual([]);
    expect(judge({}, store)).toEqual([]);
    expect(judge({ type: "full" }, stanza)).toEqual([]);
  });

  it("can be a repository that the Stanza has", () => {
    expect(judge({ selectedRepository: 1 }, store)).toEqual([expect.stringContaining("spec.selectedRepository")]);
    expect(judge({ selectedRepository: 2 }, stanza)).toEqual([]);
    expect(judge({ selectedRepository: 3 }, stanza)).toEqual([
      "spec.selectedRepository: there is no repository 3: Stanza main has 2 repositories",
    ]);
    expect(judge({ selectedRepository: 3 }, { kind: "Stanza", name: "later" })).toEqual([]);
  });

  it("is told that the primary is read into a Stanza", () => {
    expect(judgeAsked({ target: "prefer-standby" }, "spec", stanza).warnings).toEqual([
      "spec.target: the primary is read all the same: Holdfast reads no standby for a Stanza",
    ]);
    expect(judgeAsked({ target: "primary" }, "spec", stanza).warnings).toEqual([]);
    expect(judgeAsked({ target: "prefer-standby" }, "spec", store).warnings).toEqual([]);
  });
});
