// What the demo and the journeys do to the cluster, as a person with kubectl would: apply, wait, look, ask PostgreSQL.
import { spawn, type ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { command } from "../cluster/command.ts";
import { clusterEnvironment, processEnvironment } from "../cluster/env.ts";
import { store } from "../cluster/settings.ts";

/** Runs kubectl to its end and gives what it printed; `input` is its standard input. */
export const kubectl = (
  args: readonly string[],
  options: { readonly input?: string; readonly signal?: AbortSignal } = {},
): Promise<string> =>
  command("kubectl", args, {
    env: processEnvironment(),
    signal: options.signal ?? AbortSignal.timeout(60_000),
    ...(options.input !== undefined && { input: options.input }),
  });

export const apply = (namespace: string, manifest: string): Promise<string> =>
  kubectl(["apply", "--namespace", namespace, "-f", "-"], { input: manifest });

/** One field of an object by jsonpath; "" when the object or the field is not there. */
export const read = async (namespace: string, object: string, jsonpath: string): Promise<string> =>
  kubectl(["get", "--namespace", namespace, object, "--ignore-not-found", "-o", `jsonpath=${jsonpath}`]);

/** Asks `check` until it gives a value; fails after `timeoutMs` with what it was waiting for and the last problem. */
export async function until<T>(
  what: string,
  timeoutMs: number,
  check: () => Promise<T | undefined | false>,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  let problem: unknown;
  for (;;) {
    try {
      const value = await check();
      if (value !== undefined && value !== false) return value;
    } catch (error) {
      problem = error;
    }
    if (Date.now() > deadline) throw new Error(`waited ${timeoutMs / 1000} s for ${what}`, { cause: problem });
    await sleep(500);
  }
}

/**
 * A namespace in which the examples work as they stand: a Service "minio" leads to the store of the cluster, plain and
 * by TLS, whose authority is in Secret "minio-ca". What an earlier run left in it is removed first.
 */
export async function freshNamespace(namespace: string): Promise<void> {
  await kubectl(["delete", "namespace", namespace, "--ignore-not-found", "--wait"], {
    signal: AbortSignal.timeout(180_000),
  });
  await kubectl(["create", "namespace", namespace]);
  const metadata = { name: "minio" };
  const { HOLDFAST_S3_ENDPOINT: plain, HOLDFAST_S3_TLS_ENDPOINT: tls, HOLDFAST_S3_CA: ca } = clusterEnvironment();
  const { hostname } = new URL(plain);
  const ports = [
    { name: "plain", port: Number(new URL(plain).port) },
    // A cluster from elsewhere may have no TLS endpoint; then there is neither a port nor an authority.
    ...(tls === "" ? [] : [{ name: "tls", port: Number(new URL(tls).port) }]),
  ];
  const service = { apiVersion: "v1", kind: "Service", metadata, spec: { ports } };
  const authorities = [ca]
    .filter((file) => file !== "")
    .map((file) => ({
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "minio-ca" },
      stringData: { "ca.crt": readFileSync(file, "utf8") },
    }));
  const endpoints = {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { ...metadata, labels: { "kubernetes.io/service-name": "minio" } },
    addressType: "IPv4",
    ports,
    endpoints: [{ addresses: [hostname] }],
  };
  await apply(
    namespace,
    JSON.stringify({ apiVersion: "v1", kind: "List", items: [service, endpoints, ...authorities] }),
  );
}

/** A file of examples/ as it stands. */
export const example = (file: string): string =>
  readFileSync(join(import.meta.dirname, "..", "..", "examples", file), "utf8");

/** An example for this cluster: its PostgreSQL image, its store's keys and a folder of its own in the bucket. */
export const adapt = (manifest: string, folder: string): string =>
  manifest
    .replaceAll(/imageName: .*/g, `imageName: ${clusterEnvironment().HOLDFAST_POSTGRES_IMAGE}`)
    .replaceAll("s3://backups/", `s3://${store.bucket}/${folder}/`)
    .replaceAll("repoPath: /stanza/", `repoPath: /${folder}/`)
    .replaceAll("bucket: backups", `bucket: ${store.bucket}`)
    .replaceAll("ACCESS_KEY_ID: minio", `ACCESS_KEY_ID: ${clusterEnvironment().AWS_ACCESS_KEY_ID}`)
    .replaceAll("ACCESS_SECRET_KEY: change-me", `ACCESS_SECRET_KEY: ${clusterEnvironment().AWS_SECRET_ACCESS_KEY}`);

/** Waits until all instances of a CNPG Cluster are ready and it calls itself healthy. */
export async function untilHealthy(namespace: string, cluster: string, timeoutMs = 300_000): Promise<void> {
  const fields =
    "{.status.phase}|{.spec.instances}|{.status.readyInstances}|{.status.currentPrimary}|{.status.targetPrimary}";
  await until(`cluster ${cluster} to be healthy`, timeoutMs, async () => {
    const [phase, wanted, ready, current, target] = (
      await read(namespace, `clusters.postgresql.cnpg.io/${cluster}`, fields)
    ).split("|");
    return phase === "Cluster in healthy state" && wanted === ready && current === target;
  });
}

export const primaryOf = (namespace: string, cluster: string): Promise<string> =>
  read(namespace, `clusters.postgresql.cnpg.io/${cluster}`, "{.status.currentPrimary}");

const psqlArgs = (namespace: string, pod: string, sql: string): string[] => [
  ..."exec --namespace".split(" "),
  namespace,
  pod,
  ..."-c postgres -- psql -qAtX -v ON_ERROR_STOP=1 -d app -c".split(" "),
  sql,
];

/** What psql prints for one statement, run as postgres in database app of a pod. */
export const psql = async (namespace: string, pod: string, sql: string): Promise<string> =>
  (await kubectl(psqlArgs(namespace, pod, sql))).trim();

export interface Writer {
  /** Ends the writing and gives the number of rows that were committed. */
  stop(): Promise<number>;
}

/** Inserts a row into orders about ten times a second, each in a transaction of its own, until it is stopped. */
export function startWriting(namespace: string, pod: string): Writer {
  const sql =
    "DO $$ BEGIN FOR i IN 1..100000 LOOP INSERT INTO orders(note) VALUES ('order ' || i); COMMIT; PERFORM pg_sleep(0.1); END LOOP; END $$";
  const child: ChildProcess = spawn("kubectl", psqlArgs(namespace, pod, sql), {
    env: processEnvironment(),
    stdio: "ignore",
  });
  return {
    stop: async () => {
      const others = "pid <> pg_backend_pid() AND query LIKE 'DO %orders%'";
      await psql(namespace, pod, `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE ${others}`);
      child.kill();
      return Number(await psql(namespace, pod, "SELECT count(*) FROM orders"));
    },
  };
}
