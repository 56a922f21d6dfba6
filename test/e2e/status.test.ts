// What people see of a store with kubectl: a wrong key named within half a minute and its text nowhere, a corrected
// Secret found without any pod being restarted, and a report that reads from top to bottom.
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { clusterEnvironment } from "../cluster/env.ts";
import { store as credentials } from "../cluster/settings.ts";
import { untilArchiving } from "./archiving.ts";
import { applyAll, archivingTo, changed, exampleOf, withConfiguration, type Manifest } from "./manifests.ts";
import { objectsUnder } from "./objects.ts";
import { restartsOf } from "./sidecars.ts";
import { freshNamespace, kubectl, read, until, untilHealthy } from "./steps.ts";

const namespace = "e2e-status";
const folder = `${namespace}-${Date.now()}`;
const operators = "cnpg-system";
const wrongKey = `not-the-key-${Date.now()}`;

const secret = exampleOf("Secret", "objectstore.yaml", folder);
const store = exampleOf("ObjectStore", "objectstore.yaml", folder);
const login = (key: string): Manifest => ({
  ...secret,
  stringData: { ...secret.stringData, ACCESS_SECRET_KEY: key },
});

const untilReady = (name: string, status: string, reason: string, timeoutMs: number): Promise<string> =>
  until(`ObjectStore ${name} to be Ready=${status} ${reason}`, timeoutMs, async () => {
    const ready = '{.status.conditions[?(@.type=="Ready")]';
    const fields = `${ready}.status} ${ready}.reason} ${ready}.message}`;
    const text = await read(namespace, `objectstores/${name}`, fields);
    return text.startsWith(`${status} ${reason} `) && text;
  });

const operatorRestarts = (): Promise<string> =>
  kubectl([
    "get",
    "pods",
    "--namespace",
    operators,
    "--selector=app.kubernetes.io/name=holdfast",
    "-o",
    'jsonpath={range .items[*]}{.metadata.name} {.metadata.uid} {.status.containerStatuses[*].restartCount}{"\\n"}{end}',
  ]);

const checksOf = async (name: string): Promise<Readonly<Record<string, string>>> => {
  const text = await read(namespace, `objectstores/${name}`, "{range .status.checks[*]}{.name}={.status} {end}");
  return Object.fromEntries(
    text
      .trim()
      .split(" ")
      .map((pair) => pair.split("=")),
  );
};

/** Everything that we write and people read: objects, events, logs of operator and sidecar. */
async function everythingShown(): Promise<string> {
  const kinds = "objectstores,archives,backups.holdfast.dev,instancereports,clusters.postgresql.cnpg.io,events,pods";
  const logs = (where: string, selector: string, container: string) =>
    kubectl(["logs", "--namespace", where, "--selector", selector, "--container", container, "--tail=-1"]);
  const shown = await Promise.all([
    kubectl(["get", kinds, "--namespace", namespace, "-o", "yaml"]),
    kubectl(["describe", "objectstores", "--namespace", namespace]),
    logs(operators, "app.kubernetes.io/name=holdfast", "operator"),
    logs(namespace, "cnpg.io/cluster=pg", "holdfast"),
  ]);
  for (const part of shown) expect(part).not.toBe("");
  return shown.join("\n");
}

let createdAtMs = 0;

beforeAll(async () => {
  await freshNamespace(namespace);
  const plugins = archivingTo({ objectStore: "minio" });
  const cluster = changed(exampleOf("Cluster", "cluster.yaml", folder), "pg", { instances: 1, plugins });
  createdAtMs = Date.now();
  await applyAll(namespace, [login(wrongKey), store, cluster]);
});
afterAll(() => kubectl(["delete", "namespace", namespace, "--wait=false"]));

describe("a store with a wrong key", () => {
  it("is Ready=False AccessDenied within 30 s, with the check that failed and those that were not run", async () => {
    const ready = await untilReady("minio", "False", "AccessDenied", 30_000 - (Date.now() - createdAtMs));
    expect(ready).toMatch(/CredentialsValid: .*check the keys in the store's Secret/);
    expect(await checksOf("minio")).toMatchObject({
      Resolve: "Passed",
      Connect: "Passed",
      Login: "Failed",
      List: "NotRun",
      Put: "NotRun",
      Delete: "NotRun",
    });
    const events = await kubectl(["events", "--namespace", namespace, "--for=objectstore/minio"]);
    expect(events).toMatch(/Warning +AccessDenied/);
  });

  it("is Ready when the Secret is corrected; no pod of the operator or of the database is restarted", async () => {
    await untilHealthy(namespace, "pg");
    const before = [await operatorRestarts(), await restartsOf(namespace, "pg")];
    await applyAll(namespace, [login(credentials.secretAccessKey)]);
    const wait = ["wait", "--for=condition=Ready", "objectstore/minio", "--namespace", namespace, "--timeout=45s"];
    expect(await kubectl(wait)).toMatch(/condition met/);
    await untilArchiving(namespace, "pg");
    expect([await operatorRestarts(), await restartsOf(namespace, "pg")]).toEqual(before);
    const checks = await checksOf("minio");
    const good = ["Login", "List", "Put", "Multipart", "Get", "Delete"];
    expect(good.map((name) => checks[name])).toEqual(good.map(() => "Passed"));
    expect(await objectsUnder(folder, ".holdfast-check/")).toEqual(new Map());
  });

  it("leaves neither key in an object, an event or a log", async () => {
    const shown = await everythingShown();
    expect(shown).toContain("AccessDenied");
    for (const key of [wrongKey, credentials.secretAccessKey]) {
      expect(shown.includes(key)).toBe(false);
      expect(shown.includes(Buffer.from(key).toString("base64").replaceAll("=", ""))).toBe(false);
    }
  });
});

describe("a store whose certificate is not known", () => {
  const endpointURL = clusterEnvironment().HOLDFAST_S3_TLS_ENDPOINT;

  it("is Ready=False TLSVerificationFailed, and Ready with its authority", async () => {
    await applyAll(namespace, [withConfiguration(store, "secure", { endpointURL })]);
    expect(await untilReady("secure", "False", "TLSVerificationFailed", 30_000)).toMatch(/TLSValid: .*endpointCA/);
    const ca = { "ca.crt": readFileSync(clusterEnvironment().HOLDFAST_S3_CA, "utf8") };
    await applyAll(namespace, [
      { apiVersion: "v1", kind: "Secret", metadata: { name: "authority" }, stringData: ca },
      withConfiguration(store, "secure", { endpointURL, endpointCA: { name: "authority", key: "ca.crt" } }),
    ]);
    // A changed spec is looked at at once.
    await untilReady("secure", "True", "Succeeded", 15_000);
    expect((await checksOf("secure"))["TLS"]).toBe("Passed");
  });
});

describe("kubectl", () => {
  it("get shows a store in at most seven columns, and what is wrong with -o wide", async () => {
    await applyAll(namespace, [exampleOf("Backup", "backup.yaml", folder)]);
    await until("the backup to be counted", 120_000, async () => {
      return (await read(namespace, "objectstores/minio", "{.status.backupSize}")) !== "0";
    });
    const [header = "", ...rows] = (await kubectl(["get", "objectstores", "--namespace", namespace])).split("\n");
    expect(header.split(/\s+/)).toEqual([
      "NAME",
      "READY",
      "SERVERS",
      "LAST-BACKUP",
      "LAST-WAL",
      "BACKUP-SIZE",
      "LAST-CHECKED",
      "AGE",
    ]);
    expect(rows.find((row) => row.startsWith("minio"))).toMatch(/^minio +True +1 +\S+s? +\S+s? +[\d.]+Mi +\S+ +\S+$/);
    const wide = await kubectl(["get", "objectstores", "--namespace", namespace, "-o", "wide"]);
    expect(wide).toMatch(/REACHABLE +READABLE +WRITABLE +REASON +MESSAGE/);
    expect(wide).toMatch(/True +True +True +Succeeded +the store can be read and written/);
    expect(rows.join("\n")).not.toMatch(/<invalid>/);
  });

  it("describe reads as a report: Ready first among the conditions, every check in its order", async () => {
    const report = await kubectl(["describe", "objectstore/minio", "--namespace", namespace]);
    const conditions = report.slice(report.indexOf("Conditions:"));
    const types = [...conditions.matchAll(/^\s+Type:\s+(\w+)/gm)].map(([, type]) => type);
    expect(types.slice(0, 5)).toEqual(["Ready", "Reachable", "CredentialsValid", "Readable", "Writable"]);
    const checks = report.slice(report.indexOf("Checks:"), report.indexOf("Conditions:"));
    const names = [...checks.matchAll(/^\s+Name:\s+(\w+)/gm)].map(([, name]) => name);
    expect(names.slice(0, 8)).toEqual([
      "Resolve",
      "Connect",
      "TLS",
      "ClockSkew",
      "Region",
      "Addressing",
      "Login",
      "List",
    ]);
    expect(names.slice(8)).toEqual(["Put", "Multipart", "Get", "Delete", "Versioning", "ObjectLock"]);
    expect(checks).toMatch(/Latency Ms: +\d+/);
    const generation = await read(
      namespace,
      "objectstores/minio",
      "{.metadata.generation} {.status.observedGeneration}",
    );
    expect(new Set(generation.split(" ")).size).toBe(1);
  });

  it("wait knows the Archive too, whose Ready says what to do next", async () => {
    const wait = ["wait", "--for=condition=Ready", "archive/minio-pg", "--namespace", namespace, "--timeout=120s"];
    expect(await kubectl(wait, { signal: AbortSignal.timeout(130_000) })).toMatch(/condition met/);
  });
});
