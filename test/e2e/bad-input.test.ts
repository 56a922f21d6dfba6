// What people get wrong: each mistake is refused by name, and where admission is off it is told where they look, hangs
// nothing, overwrites nothing, and when it is mended everything goes on by itself, without a restart. Three clusters of one instance serve all of it: "good" has
// nothing wrong, "far" began with a store that does not answer, "late" with one that does not exist.
import { once } from "node:events";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { network, store as credentials } from "../cluster/settings.ts";
import { setAdmission } from "./admission-switch.ts";
import { untilArchiving, untilNotArchiving } from "./archiving.ts";
import { objectsUnder } from "./objects.ts";
import { applyAll, archivingTo, changed, exampleOf, withConfiguration, type Manifest } from "./manifests.ts";
import { restartsOf } from "./sidecars.ts";
import { freshNamespace, kubectl, primaryOf, psql, read, until, untilHealthy } from "./steps.ts";

const namespace = "bad-input";
const folder = `${namespace}-${Date.now()}`;
const store = exampleOf("ObjectStore", "objectstore.yaml", folder);
/** Another store, in a folder of its own within that of the first. */
const otherStore = (name: string, configuration: Readonly<Record<string, unknown>> = {}): Manifest => {
  const destinationPath = `s3://${credentials.bucket}/${folder}/${name}/`;
  return withConfiguration(store, name, { destinationPath, ...configuration });
};
const secret = exampleOf("Secret", "objectstore.yaml", folder);
const cluster = exampleOf("Cluster", "cluster.yaml", folder);
const recovery = exampleOf("Cluster", "recovery.yaml", folder);

const small = { storage: { size: "1Gi" } };

const loginWith = (key: string) => ({ ...secret.stringData, ACCESS_SECRET_KEY: key });
const keysOf = (name: string) => ({
  accessKeyId: { name, key: "ACCESS_KEY_ID" },
  secretAccessKey: { name, key: "ACCESS_SECRET_KEY" },
});
const clusterNamed = (name: string, parameters: Readonly<Record<string, string>>): Manifest =>
  changed(cluster, name, { ...small, instances: 1, plugins: archivingTo(parameters) });

/** Accepts connections and never answers. */
const silence: Server = createServer((socket) => open.push(socket.on("error", () => undefined)));
const open: Socket[] = [];
const silentURL = (): string => `http://${network.node}:${(silence.address() as AddressInfo).port}`;

beforeAll(async () => {
  silence.listen(0, network.node);
  await once(silence, "listening");
  await freshNamespace(namespace);
  // One of these has tablespaces.
  await setAdmission(namespace, "off");
  await applyAll(namespace, [
    secret,
    store,
    otherStore("silent", { endpointURL: silentURL() }),
    clusterNamed("good", { objectStore: "minio" }),
    changed(clusterNamed("far", { objectStore: "silent" }), "far", {
      tablespaces: [{ name: "archive", storage: { size: "1Gi" } }],
    }),
    clusterNamed("late", { objectStore: "absent" }),
  ]);
  // A store that does not answer, or does not exist, keeps no database from starting.
  await Promise.all(["good", "far", "late"].map((name) => untilHealthy(namespace, name)));
  await psql(namespace, "good-1", "CREATE TABLE notes (id bigserial PRIMARY KEY)");
  await setAdmission(namespace, "on");
});

afterAll(async () => {
  for (const socket of open) socket.destroy();
  silence.close();
  await kubectl(["delete", "namespace", namespace, "--wait=false"]);
});

const untilStore = (name: string, status: string): Promise<{ reason: string; message: string }> =>
  until(`ObjectStore ${name} to be Ready=${status}`, 30_000, async () => {
    const ready = '{.status.conditions[?(@.type=="Ready")]';
    const fields = `${ready}.status}|${ready}.reason}|${ready}.message}`;
    const [now, reason = "", message = ""] = (await read(namespace, `objectstores/${name}`, fields)).split("|");
    return now === status && { reason, message };
  });

const setParameters = (name: string, parameters: Readonly<Record<string, string>>): Promise<string> => {
  const patch = JSON.stringify({ spec: { plugins: archivingTo(parameters) } });
  const object = `clusters.postgresql.cnpg.io/${name}`;
  return kubectl(["patch", "--namespace", namespace, object, "--type=merge", "-p", patch]);
};

const startBackup = (name: string, of: string): Promise<string> =>
  applyAll(namespace, [changed(exampleOf("Backup", "backup.yaml", folder), name, { cluster: { name: of } })]);

const untilBackup = (name: string, phase: "Completed" | "Failed"): Promise<string> =>
  until(`backup ${name} to be ${phase}`, 120_000, async () => {
    const fields = "{.status.phase}|{.status.error}";
    const [now, error = ""] = (await read(namespace, `backups.holdfast.dev/${name}`, fields)).split("|");
    return now === phase && `${phase} ${error}`;
  });

// First what admission refuses; then it is off, and the rest is about what the operator and the sidecars do by themselves.
describe("at the door", () => {
  afterAll(() => setAdmission(namespace, "off"));

  const refuse = async (change: Promise<unknown>, message: RegExp): Promise<void> => {
    await expect(change).rejects.toThrow(message);
  };

  it("a store that cannot work is refused by field", async () => {
    const apply = (name: string, configuration: object): Promise<string> => {
      const input = JSON.stringify(otherStore(name, configuration as Readonly<Record<string, unknown>>));
      return kubectl(["apply", "--namespace", namespace, "--validate=ignore", "-f", "-"], { input });
    };
    const field = String.raw`spec\.configuration\.`;
    await refuse(
      apply("snappy", { data: { compression: "snappy" } }),
      new RegExp(`${field}data\\.compression: not supported yet: snappy`),
    );
    await refuse(
      apply("misspelt", { wal: { compresion: "zstd" } }),
      new RegExp(`${field}wal\\.compresion: unknown field \\(did you mean compression\\?\\)`),
    );
    const stores = await kubectl(["get", "objectstores", "--namespace", namespace, "-o", "name"]);
    expect(stores).not.toMatch(/snappy|misspelt/);
  });

  it("a Cluster with a wrong parameter, tablespaces or another's archive is refused, and stays as it is", async () => {
    const unknown = (name: string) => new RegExp(`spec\\.plugins\\[0\\]\\.parameters\\.${name}: unknown parameter`);
    await refuse(setParameters("late", { objectStor: "minio" }), unknown("objectStor"));
    await refuse(setParameters("late", { objectStore: "minio", servername: "other" }), unknown("servername"));
    await refuse(
      setParameters("late", { objectStore: "minio", serverName: "good" }),
      /the archive "good" in ObjectStore minio is in use by Cluster good/,
    );
    const spaces = { tablespaces: [{ name: "archive", storage: { size: "1Gi" } }] };
    const wide = changed(clusterNamed("wide", { objectStore: "minio" }), "wide", spaces);
    await refuse(applyAll(namespace, [wide]), /spec\.tablespaces: not supported yet: tablespaces/);
    const parameters = "{.spec.plugins[0].parameters}";
    expect(await read(namespace, "clusters.postgresql.cnpg.io/late", parameters)).toBe('{"objectStore":"absent"}');
  });

  it("a store that a Cluster archives to is neither deleted nor moved", async () => {
    const deletion = kubectl(["delete", "--namespace", namespace, "objectstores/minio"]);
    await refuse(deletion, /Cluster good archives to this store/);
    await refuse(
      applyAll(namespace, [withConfiguration(store, "minio", { destinationPath: "s3://elsewhere/" })]),
      /spec\.configuration\.destinationPath: Cluster good archives here/,
    );
    // Where archiving has never worked, a mistyped place may be corrected.
    const moved = JSON.stringify(otherStore("silent"));
    const args = ["apply", "--namespace", namespace, "--dry-run=server", "-f", "-"];
    await until("the silent store to be free to move", 60_000, async () => kubectl(args, { input: moved }));
  });
});

// The suites run beside each other, each on objects of its own; the cases of a suite follow one another.
const beside = { concurrent: true } as const;
const inTurn = { concurrent: false } as const;

describe("an ObjectStore that cannot be used says why", beside, () => {
  const cases: readonly {
    readonly what: string;
    readonly configuration: Readonly<Record<string, unknown>>;
    readonly status: "False" | "Unknown";
    readonly reason: string;
    readonly message: RegExp;
  }[] = [
    {
      what: "a wrong key",
      configuration: { s3Credentials: keysOf("wrong-key") },
      status: "False",
      reason: "AccessDenied",
      message: /Secret/,
    },
    {
      what: "a secret that is not there",
      configuration: { s3Credentials: keysOf("no-secret") },
      status: "False",
      reason: "SecretNotFound",
      message: /no-secret/,
    },
    {
      what: "a bucket that is not there",
      configuration: { destinationPath: "s3://no-bucket/" },
      status: "False",
      reason: "NoSuchBucket",
      message: /no-bucket/,
    },
    {
      what: "a closed port",
      configuration: { endpointURL: `http://${network.node}:1` },
      status: "Unknown",
      reason: "EndpointUnreachable",
      message: /cannot be reached/,
    },
    {
      what: "a host that nobody knows",
      configuration: { endpointURL: "http://nobody.invalid" },
      status: "Unknown",
      reason: "DNSFailure",
      message: /resolved.*endpointURL/,
    },
    {
      what: "a compression that is still to come",
      configuration: { data: { compression: "snappy" } },
      status: "False",
      reason: "InvalidSpec",
      message: /spec\.configuration\.data\.compression: not supported yet: snappy/,
    },
    {
      what: "a misspelt field",
      configuration: { wal: { compresion: "zstd" } },
      status: "False",
      reason: "InvalidSpec",
      message: /spec\.configuration\.wal\.compresion: unknown field/,
    },
  ];
  const nameOf = (what: string): string => what.replaceAll(" ", "-");

  beforeAll(async () => {
    const wrongKey = { ...secret, metadata: { name: "wrong-key" }, stringData: loginWith("wrong") };
    const stores = cases.map(({ what, configuration }) => otherStore(nameOf(what), configuration));
    const list = JSON.stringify({ apiVersion: "v1", kind: "List", items: [wrongKey, ...stores] });
    await kubectl(["apply", "--namespace", namespace, "--validate=ignore", "-f", "-"], { input: list });
  });

  it.each(cases)("$what", inTurn, async ({ what, status, reason, message }) => {
    const ready = await untilStore(nameOf(what), status);
    expect(ready).toEqual({ reason, message: expect.stringMatching(message) });
    const row = await kubectl(["get", `objectstores/${nameOf(what)}`, "--namespace", namespace, "--no-headers"]);
    expect(row.split(/\s+/)[1]).toBe(status);
  });

  it("a compression that no barman-cloud has: the API server refuses it", inTurn, async () => {
    const other = otherStore("zstd-data", { data: { compression: "zstd" } });
    await expect(applyAll(namespace, [other])).rejects.toThrow(/spec\.configuration\.data\.compression.*zstd/s);
  });
});

describe("a cluster whose store does not answer", beside, () => {
  it("is healthy, names the store, and archives when the store is moved to where it answers", inTurn, async () => {
    const before = await restartsOf(namespace, "far");
    expect(await untilStore("silent", "Unknown")).toEqual({
      reason: "EndpointUnreachable",
      message: expect.stringMatching(/no answer within/),
    });
    await untilNotArchiving(namespace, "far", /silent/);
    await applyAll(namespace, [otherStore("silent")]);
    await untilArchiving(namespace, "far");
    expect(await restartsOf(namespace, "far")).toBe(before);
  });

  it("has no backup while it has tablespaces, not even in part", inTurn, async () => {
    await startBackup("with-tablespaces", "far");
    expect(await untilBackup("with-tablespaces", "Failed")).toMatch(/tablespaces?/);
    expect(await objectsUnder(folder, "silent/far/base/")).toEqual(new Map());
  });
});

describe("a cluster with a mistake in what it archives to", beside, () => {
  it("is healthy without its store, and archives as soon as that is made", inTurn, async () => {
    const before = await restartsOf(namespace, "late");
    await untilNotArchiving(namespace, "late", /ObjectStore absent does not exist/);
    await applyAll(namespace, [otherStore("absent")]);
    await untilArchiving(namespace, "late");
    expect(await restartsOf(namespace, "late")).toBe(before);
  });

  it("names a wrong key, and archives as soon as the Secret is corrected", inTurn, async () => {
    const before = await restartsOf(namespace, "late");
    const login = (key: string): Manifest => ({ ...secret, metadata: { name: "login" }, stringData: loginWith(key) });
    await applyAll(namespace, [login("wrong"), otherStore("login", { s3Credentials: keysOf("login") })]);
    expect((await untilStore("login", "False")).reason).toBe("AccessDenied");
    await setParameters("late", { objectStore: "login" });
    await untilNotArchiving(namespace, "late", /access denied.*Secret/);
    await applyAll(namespace, [login(credentials.secretAccessKey)]);
    await untilStore("login", "True");
    await untilArchiving(namespace, "late");
    expect(await restartsOf(namespace, "late")).toBe(before);
  });

  it("names a misspelt parameter, for which no default is taken", inTurn, async () => {
    const unknown = (name: string) => new RegExp(`spec\\.plugins\\[0\\]\\.parameters\\.${name}: unknown parameter`);
    await setParameters("late", { objectStor: "minio" });
    await untilNotArchiving(namespace, "late", unknown("objectStor"));
    await setParameters("late", { objectStore: "minio", servername: "other" });
    await untilNotArchiving(namespace, "late", unknown("servername"));
    await startBackup("misspelt", "late");
    expect(await untilBackup("misspelt", "Failed")).toMatch(unknown("servername"));
  });

  it("writes nothing into an archive that belongs to another cluster, and names that", inTurn, async () => {
    await untilArchiving(namespace, "good");
    const before = await objectsUnder(folder, "good/");
    await setParameters("late", { objectStore: "minio", serverName: "good" });
    const owner = new RegExp(`belongs to cluster ${namespace}/good, database system \\d+`);
    await untilNotArchiving(namespace, "late", owner);
    await startBackup("foreign", "late");
    expect(await untilBackup("foreign", "Failed")).toMatch(owner);
    const after = await objectsUnder(folder, "good/");
    for (const [key, state] of before) expect(after.get(key), key).toBe(state);
  });
});

describe("a recovery that cannot succeed says so before it begins", beside, () => {
  const recoverFrom = (serverName: string, name: string, recoveryTarget: object): Promise<string> => {
    const plugin = { name: "holdfast.dev", parameters: { objectStore: "minio", serverName } };
    const bootstrap = { recovery: { source: "origin", recoveryTarget } };
    return applyAll(namespace, [
      changed(recovery, name, { ...small, bootstrap, externalClusters: [{ name: "origin", plugin }] }),
    ]);
  };
  const untilPhaseReason = (name: string, wanted: RegExp): Promise<string> =>
    until(`cluster ${name} to say ${wanted}`, 60_000, async () => {
      const reason = await read(namespace, `clusters.postgresql.cnpg.io/${name}`, "{.status.phaseReason}");
      if (wanted.test(reason)) return reason;
      throw new Error(reason);
    });
  const jobsOf = (name: string): Promise<string> =>
    kubectl(["get", "jobs", "--namespace", namespace, "--selector", `cnpg.io/cluster=${name}`, "-o", "name"]);

  it("from a server that is not in the store: it names those that are", inTurn, async () => {
    await untilArchiving(namespace, "good");
    await recoverFrom("goood", "astray", { targetTime: new Date().toISOString() });
    const reason = await untilPhaseReason("astray", /server goood is not in the store/);
    expect(reason).toMatch(/it holds .*\bgood\b/);
    expect(await jobsOf("astray")).toBe("");
  });

  it("to a time after the last commit: it names that commit, and a later one lets it go on", inTurn, async () => {
    await startBackup("base", "good");
    await untilBackup("base", "Completed");
    await psql(namespace, "good-1", "INSERT INTO notes DEFAULT VALUES");
    const target = await psql(namespace, "good-1", "SELECT clock_timestamp()");
    await untilArchiving(namespace, "good");
    await recoverFrom("good", "future", { targetTime: target });
    const reason = await untilPhaseReason("future", /newest commit in the archive/);
    const [, newest = ""] = /newest commit in the archive, ([^\s,]+)/.exec(reason) ?? [];
    expect(Date.parse(newest)).toBeLessThan(Date.parse(target));
    expect(Date.parse(newest)).toBeGreaterThan(Date.parse(target) - 5_000);
    expect(await jobsOf("future")).toBe("");

    await psql(namespace, "good-1", "INSERT INTO notes DEFAULT VALUES");
    await untilArchiving(namespace, "good");
    await untilHealthy(namespace, "future");
    expect(await psql(namespace, await primaryOf(namespace, "future"), "SELECT count(*) FROM notes")).toBe("1");
  });
});
