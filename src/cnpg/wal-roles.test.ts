import { describe, expect, it } from "vitest";
import { decodeCluster } from "./cluster.ts";
import { archiving, walSource } from "./wal-roles.ts";

const ours = (extra: object = {}) => ({ name: "holdfast.dev", parameters: { objectStore: "own" }, ...extra });
const metadata = { name: "pg", namespace: "db" };

describe("who archives", () => {
  const flagged = { isWALArchiver: true };
  const barman = { name: "barman-cloud.cloudnative-pg.io" };
  const inTree = { barmanObjectStore: { destinationPath: "s3://b" } };
  const cases: readonly [string, object, ReturnType<typeof archiving>][] = [
    [
      "we, by the flag",
      { plugins: [ours(flagged)] },
      { archive: true, flagged: true, why: "holdfast.dev has isWALArchiver: true" },
    ],
    [
      "we, by the flag, beside another plugin for backups",
      { plugins: [barman, ours(flagged)] },
      { archive: true, flagged: true, why: "holdfast.dev has isWALArchiver: true" },
    ],
    [
      "we, since nobody else does",
      { plugins: [barman, ours({ isWALArchiver: false })] },
      { archive: true, flagged: false, why: "no plugin has isWALArchiver: true, so holdfast.dev archives" },
    ],
    [
      "we, when the other archiver is switched off",
      { plugins: [{ ...barman, ...flagged, enabled: false }, ours()] },
      { archive: true, flagged: false, why: "no plugin has isWALArchiver: true, so holdfast.dev archives" },
    ],
    [
      "another plugin",
      { plugins: [ours(), { ...barman, ...flagged }], backup: inTree },
      { archive: false, archiver: barman.name, why: `${barman.name} has isWALArchiver: true` },
    ],
    [
      "another plugin, when ours is switched off though flagged",
      { plugins: [ours({ ...flagged, enabled: false }), { ...barman, ...flagged }] },
      { archive: false, archiver: barman.name, why: `${barman.name} has isWALArchiver: true` },
    ],
    [
      "the built-in archiver",
      { plugins: [ours()], backup: inTree },
      {
        archive: false,
        archiver: "spec.backup.barmanObjectStore",
        why: "CloudNativePG archives by spec.backup.barmanObjectStore",
      },
    ],
    [
      "nobody, when our entry is gone",
      { plugins: [barman] },
      { archive: false, archiver: undefined, why: "holdfast.dev is not enabled in spec.plugins" },
    ],
  ];
  it.each(cases)("%s", (_, spec, expected) => {
    expect(archiving(decodeCluster({ metadata, spec }))).toEqual(expected);
  });
});

describe("the archive that a pod restores from", () => {
  const externalClusters = [
    { name: "origin", plugin: { name: "holdfast.dev", parameters: { objectStore: "eu", serverName: "old" } } },
    { name: "site-b", plugin: { name: "holdfast.dev", parameters: { objectStore: "us", serverName: "b" } } },
    { name: "foreign", plugin: { name: "barman-cloud.cloudnative-pg.io", parameters: {} } },
  ];
  const recovery = (source: string) => ({ bootstrap: { recovery: { source } } });
  const replica = (primary: string) => ({ replica: { primary, source: "site-b" } });
  const own = { plugins: [ours()] };
  const source = (role: string, name: string, serverName: string, why: string) => ({
    kind: "store",
    role,
    store: { kind: "ObjectStore", name, serverName },
    why,
  });
  const ownArchive = source("own", "own", "pg", "pg-1 follows this Cluster's own archive");
  const fromSite = (state: string) =>
    source("replicaSource", "us", "b", `pg-1 ${state}, it follows spec.replica.source`);

  const cases: readonly [string, object, string | undefined, object][] = [
    ["own archive: a standby", own, "pg-2", ownArchive],
    ["own archive: a primary", own, "pg-1", ownArchive],
    [
      "own archive: a Stanza",
      { plugins: [ours({ parameters: { stanza: "main" } })] },
      "pg-2",
      { ...ownArchive, store: { kind: "Stanza", name: "main" } },
    ],
    ["own archive: long after recovery", { ...own, ...recovery("origin") }, "pg-1", ownArchive],
    [
      "recovery source: bootstrap",
      { ...own, ...recovery("origin") },
      undefined,
      source("recoverySource", "eu", "old", "no primary has run yet, spec.bootstrap.recovery.source counts"),
    ],
    [
      "recovery source: bootstrap of a replica cluster",
      { ...own, ...recovery("origin"), ...replica("site-b") },
      undefined,
      source("recoverySource", "eu", "old", "no primary has run yet, spec.bootstrap.recovery.source counts"),
    ],
    [
      "replica source: bootstrap of a replica cluster by streaming",
      { ...own, ...replica("site-b") },
      undefined,
      source("replicaSource", "us", "b", "no primary has run yet, spec.replica.source counts"),
    ],
    [
      "none: bootstrap by another plugin, though the own archive may hold WAL",
      { ...own, ...recovery("foreign") },
      undefined,
      { kind: "none", why: "no primary has run yet, and holdfast.dev is not the source of its recovery" },
    ],
    [
      "replica source: designated primary",
      { ...own, ...replica("site-b") },
      "pg-1",
      fromSite("is the designated primary"),
    ],
    [
      "replica source: designated primary being promoted",
      { ...own, ...replica("pg") },
      "pg-1",
      fromSite("is being promoted"),
    ],
    ["own archive: standby behind a designated primary", { ...own, ...replica("site-b") }, "pg-2", ownArchive],
    ["own archive: standby while the designated primary is promoted", { ...own, ...replica("pg") }, "pg-2", ownArchive],
    [
      "own archive: designated primary of a foreign source",
      { ...own, replica: { primary: "x", source: "foreign" } },
      "pg-1",
      ownArchive,
    ],
    [
      "none: standby of a cluster that only follows",
      replica("site-b"),
      "pg-2",
      { kind: "none", why: "holdfast.dev is not enabled in spec.plugins" },
    ],
    [
      "invalid: a store that is not given",
      { plugins: [ours({ parameters: {} })] },
      "pg-1",
      {
        kind: "invalid",
        problems: [
          {
            field: "spec.plugins[0].parameters.objectStore",
            message: "objectStore or stanza is required: the name of an ObjectStore or of a Stanza",
          },
        ],
        why: "pg-1 follows this Cluster's own archive",
      },
    ],
  ];
  it.each(cases)("%s", (_, spec, currentPrimary, expected) => {
    const cluster = decodeCluster({ metadata, spec: { externalClusters, ...spec }, status: { currentPrimary } });
    expect(walSource(cluster, "pg-1")).toEqual(expected);
  });
});
