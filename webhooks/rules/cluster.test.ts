import { describe, expect, it } from "vitest";
import { decodeCluster } from "#cnpg/cluster.ts";
import { judgeCluster, type ClusterView } from "./cluster.ts";

type Fields = Readonly<Record<string, unknown>>;

const own = (parameters: Fields = { objectStore: "minio" }, more: Fields = { isWALArchiver: true }): Fields => ({
  name: "holdfast.dev",
  parameters,
  ...more,
});
const origin = (parameters: Fields): Fields => ({ name: "origin", plugin: { name: "holdfast.dev", parameters } });

const view = (
  spec: Fields,
  more: Partial<ClusterView> & { readonly metadata?: Fields; readonly status?: Fields } = {},
): ClusterView => {
  const { metadata = {}, status = {}, ...known } = more;
  const fields = { metadata: { name: "pg", namespace: "default", ...metadata }, spec, status };
  const stores = new Map([["minio", "s3 amazonaws.com backups "]]);
  const stanzas = new Map([["main", ["s3 amazonaws.com backups /pg main"]]]);
  return { cluster: decodeCluster(fields), fields, stores, stanzas, sharers: [], ...known };
};

const problems = (object: ClusterView, old?: ClusterView): string[] =>
  judgeCluster({ object, old }).problems.map(({ field, message }) => `${field}: ${message}`);
const warnings = (object: ClusterView, old?: ClusterView): readonly string[] => judgeCluster({ object, old }).warnings;

describe("a Cluster", () => {
  it("that archives to a store is accepted without a word", () => {
    expect(judgeCluster({ object: view({ plugins: [own()] }) })).toEqual({ problems: [], warnings: [] });
  });

  it("with a misspelt parameter is refused, with the one that was meant", () => {
    const judgement = judgeCluster({ object: view({ plugins: [own({ objectStor: "minio" })] }) });
    expect(judgement.problems).toContainEqual(
      expect.objectContaining({ field: "spec.plugins[0].parameters.objectStor", hint: "did you mean objectStore?" }),
    );
  });

  it("with two WAL archivers is refused", () => {
    const other = { name: "barman-cloud.cloudnative-pg.io", isWALArchiver: true };
    expect(problems(view({ plugins: [own(), other] }))).toEqual([
      expect.stringContaining("spec.plugins[1].isWALArchiver"),
    ]);
    const inTree = { plugins: [own()], backup: { barmanObjectStore: {} } };
    expect(problems(view(inTree))).toEqual([expect.stringContaining("spec.backup.barmanObjectStore")]);
    expect(problems(view({ plugins: [own(), { ...other, enabled: false }] }))).toEqual([]);
  });

  it("with tablespaces, or a PostgreSQL that is not supported, is refused by name", () => {
    expect(problems(view({ plugins: [own()], tablespaces: [{ name: "a" }] }))).toEqual([
      "spec.tablespaces: not supported yet: tablespaces",
    ]);
    expect(problems(view({ plugins: [own()], imageName: "pg:14.1" }))).toEqual([
      expect.stringContaining("spec.imageName: postgresql 14 is not supported"),
    ]);
  });
});

describe("an archive", () => {
  const sharers = (namespace: string) => ({ sharers: [{ namespace, name: "first" }] });

  it("in use is refused, by name only within the namespace", () => {
    expect(problems(view({ plugins: [own()] }, sharers("default")))).toEqual([
      'spec.plugins[0].parameters.serverName: the archive "pg" in ObjectStore minio is in use by Cluster first',
    ]);
    const [foreign] = problems(view({ plugins: [own()] }, sharers("secret-place")));
    expect(foreign).toContain("by a Cluster of another namespace");
    expect(foreign).not.toContain("secret-place");
  });

  it("that the Cluster begins from, or follows, is refused, also under the name of another store", () => {
    const from = (source: Fields, more: Fields = {}) => ({
      plugins: [own()],
      bootstrap: { recovery: { source: "origin" } },
      externalClusters: [source],
      ...more,
    });
    const same = "s3 amazonaws.com backups ";
    const stores = new Map([
      ["minio", same],
      ["alias", same],
    ]);
    const source = origin({ objectStore: "alias", serverName: "pg" });
    expect(problems(view(from(source), { stores }))).toEqual([expect.stringContaining("it is recovered from")]);
    expect(problems(view(from(source, { replica: { source: "origin" } }), { stores }))).toEqual([
      expect.stringContaining("it follows"),
    ]);
    expect(problems(view(from(origin({ objectStore: "minio", serverName: "old" })), { stores }))).toEqual([]);
    const annotations = { "cnpg.io/skipEmptyWalArchiveCheck": "enabled" };
    expect(problems(view(from(source), { stores, metadata: { annotations } }))).toEqual([]);
  });

  it("is told when its store does not exist, or when nobody is told to fill it", () => {
    expect(warnings(view({ plugins: [own()] }, { stores: new Map() }))).toEqual([
      expect.stringContaining("ObjectStore minio does not exist"),
    ]);
    expect(warnings(view({ plugins: [own({ objectStore: "minio" }, {})] }))).toEqual([
      expect.stringMatching(/spec\.plugins\[0\]\.isWALArchiver: is not true; holdfast\.dev archives/),
    ]);
    const off = { plugins: [own({ objectStore: "minio" }, { enabled: false })] };
    expect(warnings(view(off))).toEqual([expect.stringContaining("nobody archives the WAL of this Cluster")]);
    const annotations = { "cnpg.io/skipWalArchiving": "enabled" };
    expect(warnings(view(off, { metadata: { annotations } }))).toEqual([]);
    const beside = { plugins: [own({ objectStore: "minio" }, {}), { name: "other", isWALArchiver: true }] };
    expect(warnings(view(beside))).toEqual([
      expect.stringContaining("other archives, so backups by holdfast.dev fail"),
    ]);
  });
});

describe("a Stanza", () => {
  const toStanza = (more: Fields = {}, name = "stanza") => ({ plugins: [own({ [name]: "main" })], ...more });

  it("is archived to without a word, also with tablespaces", () => {
    const object = view(toStanza({ tablespaces: [{ name: "fast" }], imageName: "pg:17" }));
    expect(judgeCluster({ object })).toEqual({ problems: [], warnings: [] });
  });

  it("that does not exist is told", () => {
    expect(warnings(view(toStanza(), { stanzas: new Map() }))).toEqual([
      expect.stringContaining("Stanza main does not exist in this namespace"),
    ]);
  });

  it("has one Cluster, and the other is named only within the namespace", () => {
    const shared = (namespace: string, name?: string) =>
      problems(view(toStanza({}, name), { sharers: [{ namespace, name: "first" }] }));
    expect(shared("default")).toEqual([
      "spec.plugins[0].parameters.stanza: the archive of Stanza main is in use by Cluster first",
    ]);
    expect(shared("secret-place", "stanzaRef")).toEqual([
      "spec.plugins[0].parameters.stanzaRef: the archive of Stanza main is in use by a Cluster of another namespace",
    ]);
  });

  it("that the Cluster begins from, or follows, is refused, also under the name of another Stanza", () => {
    const from = (source: string, more: Fields = {}) =>
      toStanza({
        bootstrap: { recovery: { source: "origin" } },
        externalClusters: [origin({ stanza: source })],
        ...more,
      });
    const stanzas = new Map([
      ["main", ["s3 a b /1 main", "s3 a b /2 main"]],
      ["alias", ["s3 a b /2 main"]],
      ["other", ["s3 a b /2 other"]],
    ]);
    const said = (spec: Fields, metadata: Fields = {}) => problems(view(spec, { stanzas, metadata }));
    expect(said(from("main"))).toEqual([
      "spec.plugins[0].parameters.stanza: the Cluster would archive into the archive it is recovered from",
    ]);
    expect(said(from("alias"))).toHaveLength(1);
    expect(said(from("alias", { replica: { source: "origin" } }))).toEqual([expect.stringContaining("it follows")]);
    expect(said(from("other"))).toEqual([]);
    expect(said(from("main"), { annotations: { "cnpg.io/skipEmptyWalArchiveCheck": "enabled" } })).toEqual([]);
    // Known by name before it exists.
    expect(said(from("later", { plugins: [own({ stanza: "later" })] }))).toHaveLength(1);
  });

  it("takes another major version, and none that its pgBackRest cannot do", () => {
    expect(problems(view(toStanza({ imageName: "pg:17" })), view(toStanza({ imageName: "pg:16" })))).toEqual([]);
    const said = ["spec.imageName: PostgreSQL 18 in a Stanza needs pgBackRest 2.57, and the image has 2.55"];
    expect(problems(view(toStanza({ imageName: "pg:18" })))).toEqual(said);
    const bootstrap = { recovery: { source: "origin" } };
    const source = { bootstrap, externalClusters: [origin({ stanza: "main" })], imageName: "pg:18" };
    expect(problems(view({ plugins: [own()], ...source }))).toEqual(said);
    expect(problems(view({ plugins: [own()], imageName: "pg:18" }))).toEqual([]);
  });
});

describe("a new major version of PostgreSQL", () => {
  const at = (major: number, parameters?: Fields, status?: Fields) =>
    view({ plugins: [own(parameters)], imageName: `pg:${major}` }, { status: status ?? {} });

  it("needs an archive of its own", () => {
    const judgement = judgeCluster({ object: at(17), old: at(16) });
    expect(judgement.problems).toEqual([
      {
        field: "spec.imageName",
        message: 'PostgreSQL 17 would archive into "pg", the archive of PostgreSQL 16',
        hint: "in the same change write another spec.plugins[0].parameters.serverName, such as pg-17",
      },
    ]);
    expect(problems(at(17, { objectStore: "minio", serverName: "pg-17" }), at(16))).toEqual([]);
  });

  it("is told by the catalog as well, and nothing is guessed where no tag tells", () => {
    const catalog = (major: number) => view({ plugins: [own()], imageCatalogRef: { name: "c", major } });
    expect(problems(catalog(17), catalog(16))).toEqual([expect.stringContaining("spec.imageCatalogRef.major")]);
    expect(problems(catalog(17), at(16))).toHaveLength(1);
    expect(problems(view({ plugins: [own()], imageName: "pg@sha256:00" }), at(16))).toEqual([]);
  });

  it("is not told again on the changes after it", () => {
    const upgrading = at(17, undefined, { pgDataImageInfo: { majorVersion: 16 } });
    const scaled = view({ ...(upgrading.fields["spec"] as Fields), instances: 3 });
    expect(problems(scaled, upgrading)).toEqual([]);
  });

  it("is none of ours where another one archives", () => {
    const by = (major: number) =>
      view({
        plugins: [own({ objectStore: "minio" }, {}), { name: "other", isWALArchiver: true }],
        imageName: `pg:${major}`,
      });
    expect(problems(by(17), by(16))).toEqual([]);
  });
});

describe("a change to a Cluster that is wrong already", () => {
  const wrong = (instances: number) => view({ instances, plugins: [own({ objectStore: "minio", servername: "x" })] });

  it("is let through with what stays wrong as a warning, and refused for what it adds", () => {
    expect(problems(wrong(3), wrong(1))).toEqual([]);
    expect(warnings(wrong(3), wrong(1))).toEqual([expect.stringContaining("spec.plugins[0].parameters.servername")]);
    const worse = view({ plugins: [own({ objectStore: "minio", servername: "x", stanza: "y" })] });
    expect(problems(worse, wrong(1))).toEqual([expect.stringContaining("spec.plugins[0].parameters.stanza")]);
  });
});
