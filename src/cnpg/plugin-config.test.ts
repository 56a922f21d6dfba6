import { describe, expect, it } from "vitest";
import { decodeCluster } from "./cluster.ts";
import { isPluginEnabled, readPluginConfig } from "./plugin-config.ts";

type Parameters = Readonly<Record<string, string>>;

const ours = (parameters: Parameters, extra: object = {}) => ({ name: "holdfast.dev", parameters, ...extra });
const aCluster = (spec: object) => decodeCluster({ metadata: { name: "pg", namespace: "db" }, spec });
const required = "objectStore or stanza is required: the name of an ObjectStore or of a Stanza";
const known = "known are objectStore, serverName, stanza";
const store = (name: string, serverName = "pg") => ({
  kind: "store",
  store: { kind: "ObjectStore", name, serverName },
});
const stanza = (name: string) => ({ kind: "store", store: { kind: "Stanza", name } });
const named = (...names: readonly string[]) => names.map((name) => ({ kind: "ObjectStore", name }));

describe("the store of our entry in spec.plugins", () => {
  const good: readonly [string, Parameters, object][] = [
    ["objectStore", { objectStore: "minio" }, store("minio")],
    ["barmanObjectName, as in the Barman Cloud plugin", { barmanObjectName: "minio" }, store("minio")],
    ["both names with one value", { objectStore: "minio", barmanObjectName: "minio" }, store("minio")],
    ["a server name", { objectStore: "minio", serverName: "old" }, store("minio", "old")],
    ["an empty server name", { objectStore: "minio", serverName: "" }, store("minio")],
    ["an empty barmanObjectName beside objectStore", { objectStore: "minio", barmanObjectName: "" }, store("minio")],
  ];
  it.each(good)("comes from %s", (_, parameters, expected) => {
    const config = readPluginConfig(aCluster({ plugins: [ours(parameters)] }));
    expect(config).toMatchObject({ own: expected, stores: named("minio"), problems: [] });
  });

  it.each<[string, Parameters]>([
    ["stanza", { stanza: "main" }],
    ["stanzaRef, as in the pgBackRest plugin", { stanzaRef: "main" }],
    ["both names with one value", { stanza: "main", stanzaRef: "main" }],
    ["a stanza beside an empty objectStore", { stanza: "main", objectStore: "" }],
  ])("is a Stanza by %s", (_, parameters) => {
    expect(readPluginConfig(aCluster({ plugins: [ours(parameters)] }))).toEqual({
      own: stanza("main"),
      recoverySource: undefined,
      replicaSource: undefined,
      stores: [{ kind: "Stanza", name: "main" }],
      problems: [],
    });
  });

  const bad: readonly [string, Parameters, readonly [string, string][], readonly object[]][] = [
    ["no parameters", {}, [["objectStore", required]], []],
    ["empty names only", { objectStore: "", stanza: "" }, [["objectStore", required]], []],
    [
      "a serverName beside a stanza",
      { stanza: "main", serverName: "pg" },
      [["serverName", "a Stanza has no servers: its spec.stanzaConfiguration.name says where the backups are"]],
      [{ kind: "Stanza", name: "main" }],
    ],
    [
      "an ObjectStore and a Stanza",
      { objectStore: "a", stanza: "a" },
      [["stanza", 'objectStore is "a", stanza is "a"; give one of them']],
      named("a"),
    ],
    [
      "two different Stanzas",
      { stanza: "a", stanzaRef: "b" },
      [["stanzaRef", 'stanza is "a", stanzaRef is "b"; give one of them']],
      [{ kind: "Stanza", name: "a" }],
    ],
    [
      "two different stores",
      { objectStore: "a", barmanObjectName: "b" },
      [["barmanObjectName", 'objectStore is "a", barmanObjectName is "b"; give one of them']],
      named("a"),
    ],
    [
      "unknown parameters",
      { objectStore: "a", servername: "x", backupType: "full" },
      [
        ["backupType", `unknown parameter "backupType"; ${known}`],
        ["servername", `unknown parameter "servername"; ${known}`],
      ],
      named("a"),
    ],
    [
      "a server name with a slash",
      { objectStore: "a", serverName: "x/y" },
      [["serverName", '"x/y" cannot be the name of a folder in a store']],
      named("a"),
    ],
    [
      "the parent folder as server name",
      { objectStore: "a", serverName: ".." },
      [["serverName", '".." cannot be the name of a folder in a store']],
      named("a"),
    ],
  ];
  it.each(bad)("is refused with %s", (_, parameters, expected, stores) => {
    const problems = expected.map(([field, message]) => ({ field: `spec.plugins[0].parameters.${field}`, message }));
    const config = readPluginConfig(aCluster({ plugins: [ours(parameters)] }));
    expect(config).toMatchObject({ own: { kind: "invalid", problems }, problems, stores });
  });

  it("is absent when the entry is disabled or another's", () => {
    const cluster = aCluster({ plugins: [ours({ objectStore: "a" }, { enabled: false }), { name: "other.dev" }] });
    expect(isPluginEnabled(cluster)).toBe(false);
    expect(readPluginConfig(cluster)).toMatchObject({ own: undefined, stores: [], problems: [] });
  });

  it("is that of the last entry when there are several, and that is a problem", () => {
    const cluster = aCluster({ plugins: [ours({ objectStore: "a" }), { name: "x" }, ours({ objectStore: "b" })] });
    expect(readPluginConfig(cluster)).toMatchObject({
      own: store("b"),
      problems: [{ field: "spec.plugins[0]", message: "holdfast.dev is listed more than once" }],
    });
  });
});

describe("the stores of external clusters", () => {
  const externalClusters = [
    { name: "unused", plugin: ours({ objectStore: "never" }) },
    { name: "origin", plugin: ours({ objectStore: "eu", serverName: "pg-eu" }) },
    { name: "foreign", plugin: { name: "barman-cloud.cloudnative-pg.io", parameters: { barmanObjectName: "x" } } },
    { name: "off", plugin: ours({ objectStore: "eu" }, { enabled: false }) },
    { name: "plain", plugin: ours({ objectStore: "us" }) },
    { name: "wrong", plugin: ours({ stanza: "x", serverName: "y" }) },
  ];
  const config = (recovery?: string, replica?: string) =>
    readPluginConfig(
      aCluster({
        plugins: [ours({ objectStore: "own" })],
        externalClusters,
        bootstrap: recovery === undefined ? {} : { recovery: { source: recovery } },
        ...(replica === undefined ? {} : { replica: { source: replica } }),
      }),
    );

  it("count only as source of recovery or of replication, sorted and each once", () => {
    expect(config("origin", "plain")).toEqual({
      own: store("own"),
      recoverySource: store("eu", "pg-eu"),
      // The Cluster's own name, also here: as in the Barman Cloud plugin.
      replicaSource: store("us", "pg"),
      stores: named("eu", "own", "us"),
      problems: [],
    });
    expect(config("origin", "origin").stores).toEqual(named("eu", "own"));
    expect(config().stores).toEqual(named("own"));
  });

  it.each(["foreign", "off", "missing"])("do not count when the source is %s", (source) => {
    expect(config(source, source)).toMatchObject({
      recoverySource: undefined,
      replicaSource: undefined,
      stores: named("own"),
    });
  });

  it("tell a problem once, with its place", () => {
    expect(config("wrong", "wrong").problems).toEqual([
      {
        field: "spec.externalClusters[5].plugin.parameters.serverName",
        message: "a Stanza has no servers: its spec.stanzaConfiguration.name says where the backups are",
        hint: "leave it out",
      },
    ]);
  });
});
