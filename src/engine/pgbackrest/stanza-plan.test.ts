import { describe, expect, it } from "vitest";
import type { DatabaseInfo, RepositoryInfo } from "#repository/pgbackrest/info.ts";
import { planStanza, type ObservedStanza } from "./stanza-plan.ts";

const cluster = { namespace: "app", name: "pg", uid: "1" };
const since = new Date(0);
const repository = (key: number, state: RepositoryInfo["state"] = "NoBackup", message = "said"): RepositoryInfo => ({
  key,
  state,
  status: { message },
});
const database = (repositoryKey: number, systemId: string, version: string, id = 1): DatabaseInfo => ({
  id,
  repositoryKey,
  systemId,
  version,
});

function plan(
  repositories: readonly RepositoryInfo[],
  databases: readonly DatabaseInfo[],
  changes: Partial<ObservedStanza> = {},
  archives: ObservedStanza["info"]["archives"] = [],
) {
  return planStanza({
    systemId: "7",
    pgVersion: 17,
    info: { stanza: "main", repositories, databases, archives, backups: [] },
    cluster,
    checkEmpty: false,
    skipCheck: false,
    ...changes,
  });
}
const holdsWal = [{ id: "17-1", databaseId: 1, repositoryKey: 1, max: "000000010000000000000001" as never }];

describe("a stanza", () => {
  it("is used as it is when it is ours everywhere", () => {
    const databases = [database(1, "7", "17"), database(2, "7", "17")];
    expect(plan([repository(1), repository(2, "Ok")], databases)).toEqual({ kind: "use", create: [], upgrade: [] });
  });

  it("is made where a repository has answered that it has none, and nowhere else", () => {
    const repositories = [repository(1, "NoStanza"), repository(2), repository(3, "Unreachable")];
    expect(plan(repositories, [database(2, "7", "17")])).toEqual({ kind: "use", create: [1], upgrade: [] });
  });

  it("is not known while no repository answers, with what each said", () => {
    const repositories = [repository(1, "Unreachable", "refused"), repository(2, "Refused", "no entry")];
    expect(plan(repositories, [])).toEqual({
      kind: "unknown",
      message: "repository 1: refused; repository 2: no entry",
    });
  });
});

describe("a stanza for a PostgreSQL that is newer than the image's pgBackRest", () => {
  it("is refused with the pgBackRest that it needs, whether or not a repository answers", () => {
    const refusal = {
      kind: "refuse",
      error: "StoreRefused",
      message: "PostgreSQL 18 in a Stanza needs pgBackRest 2.57, and the image has 2.55",
      hint: "use an ObjectStore, or PostgreSQL 17",
    };
    for (const state of ["NoStanza", "Unreachable"] as const)
      expect(plan([repository(1, state)], [], { pgVersion: 18 })).toEqual(refusal);
  });
});

describe("a stanza of another database system", () => {
  it("is upgraded when the mark says that it is the same Cluster's, and its PostgreSQL is newer now", () => {
    const owner = { systemId: "5", cluster, since };
    expect(plan([repository(1)], [database(1, "5", "15")], { owner })).toEqual({
      kind: "use",
      create: [],
      upgrade: [1],
    });
    // One repository was away at the upgrade: its stanza follows later, by the mark that says the new system already.
    const databases = [database(1, "5", "15", 1), database(1, "7", "17", 2), database(2, "5", "15")];
    const after = { owner: { ...owner, systemId: "7" } };
    expect(plan([repository(1), repository(2)], databases, after)).toMatchObject({ kind: "use", upgrade: [2] });
  });

  it.each([
    [
      "another Cluster's",
      { owner: { systemId: "5", cluster: { ...cluster, uid: "2" }, since } },
      "15",
      /of cluster app/,
    ],
    ["of no known Cluster", {}, "15", /belongs to database system 5, PostgreSQL 15; this is database system 7/],
    ["of the same PostgreSQL", { owner: { systemId: "5", cluster, since } }, "17", /database system 5, PostgreSQL 17/],
  ] as const)("is refused when it is %s", (_, changes, version, message) => {
    expect(plan([repository(1)], [database(1, "5", version)], changes)).toMatchObject({
      kind: "refuse",
      error: "ForeignArchive",
      message: expect.stringMatching(message) as string,
    });
  });

  it("is refused where a repository was added that holds a stranger's, though the mark of another one is ours", () => {
    const databases = [database(1, "7", "17"), database(2, "5", "15")];
    const changes = { owner: { systemId: "7", cluster, since } };
    expect(plan([repository(1), repository(2)], databases, changes)).toMatchObject({
      kind: "refuse",
      error: "ForeignArchive",
      message: expect.stringMatching(/in repository 2 belongs to database system 5/) as string,
    });
  });

  it("is refused to the one that it had before an upgrade, whoever asks", () => {
    const databases = [database(1, "7", "17", 1), database(1, "9", "18", 2)];
    const changes = { owner: { systemId: "9", cluster, since } };
    expect(plan([repository(1)], databases, changes)).toMatchObject({
      kind: "refuse",
      message: expect.stringMatching(/has been upgraded to database system 9/) as string,
    });
  });
});

describe("the check for an empty archive", () => {
  const ours = [database(1, "7", "17")];

  it("refuses a stanza that holds WAL, also one of the same database system", () => {
    expect(plan([repository(1)], ours, { checkEmpty: true }, holdsWal)).toMatchObject({
      kind: "refuse",
      error: "ExpectedEmptyArchive",
      message: "Expected empty archive: stanza main has backups or WAL in repository 1",
    });
  });

  it("lets on what this Cluster has archived itself, an empty stanza, and the user who says so", () => {
    const use = { kind: "use" };
    const owner = { systemId: "7", cluster, since };
    expect(plan([repository(1)], ours, { checkEmpty: true, owner }, holdsWal)).toMatchObject(use);
    expect(plan([repository(1)], ours, { checkEmpty: true })).toMatchObject(use);
    expect(plan([repository(1)], ours, { checkEmpty: true, skipCheck: true }, holdsWal)).toMatchObject(use);
  });
});
