// Two Stanzas of two namespaces that lead to the same data, and real Leases: who backs up into one of them and who removes
// something through the other take turns, as sidecar and operator are wired. How a Lease is held and lost is in
// src/kube/lease-mutex.test.ts.
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import type { Stanza } from "#api/gen/stanza.ts";
import { apiVersion, stanzas } from "#api/kinds.ts";
import { stanzaLease } from "#api/names.ts";
import * as cnpg from "#cnpg/resources.ts";
import { ensureLease } from "#controllers/stanza/lease.ts";
import type { KubeClient } from "#kube/client.ts";
import { createInformer } from "#kube/informer.ts";
import { processIdentity, purposeAnnotation } from "#kube/lease-mutex.ts";
import { leases, type Lease } from "#kube/leader.ts";
import type { Mutex } from "#kube/mutex.ts";
import type { KubeObject } from "#kube/object.ts";
import { createLogger } from "#observe/logger.ts";
import { clusterIndexes, stanzaIndexes } from "#webhooks/facts.ts";
import { createStanzaMutexes as createSidecarMutexes } from "../../src/cmd/instance/stanzas.ts";
import { createMutexes } from "../../src/cmd/operator/mutexes.ts";
import { createStanzaMutexes } from "../../src/cmd/operator/stanza-mutexes.ts";
import { defineKinds } from "./admission-server.ts";
import { startApiServer, type ApiServer } from "./api-server.ts";
import { adminClient, namespaces, signal } from "./kube-widget.ts";

const logger = createLogger("error");
const stop = new AbortController();
let api: ApiServer;
let client: KubeClient & { close(): void };
let running: Promise<unknown> = Promise.resolve();
/** What the Cluster pg archives to. */
let main: Stanza;
/** The same data, through which somebody restores. */
let copy: Stanza;
/** Of a process of its own each time. */
let operatorMutex: (stanza: Stanza, pod?: string) => Mutex;
let sidecarMutex: Mutex;

beforeAll(async () => {
  api = await startApiServer();
  client = await adminClient(api);
  await defineKinds(client);
  await client.create(namespaces, { metadata: { name: "restoring" } }, { signal: signal() });
  [main, copy] = await Promise.all([makeStanza("default", "main"), makeStanza("restoring", "copy")]);
  await makeCluster("default", "pg", main);
  const caches = {
    stanzas: createInformer<Stanza>({ client, logger, resource: stanzas, indexes: stanzaIndexes }),
    clusters: createInformer<KubeObject>({ client, logger, resource: cnpg.clusters, indexes: clusterIndexes }),
  };
  running = Promise.all([caches.stanzas.run(stop.signal), caches.clusters.run(stop.signal)]);
  await Promise.all([caches.stanzas.synced(signal()), caches.clusters.synced(signal())]);
  operatorMutex = (stanza, pod = "holdfast-7d9f") => {
    const mutexOf = createMutexes({ client, identity: processIdentity(pod), logger });
    return createStanzaMutexes({ ...caches, mutexOf })(stanza);
  };
  const instance = { namespace: "default", pod: "pg-1", cluster: "pg", pgdata: "", socketDirectory: "", port: 0 };
  sidecarMutex = createSidecarMutexes({ client, surroundings: { ...instance, scratch: "" }, logger })("main");
});
afterAll(async () => {
  stop.abort();
  await running;
  client?.close();
  await api?.stop();
});

async function makeStanza(namespace: string, name: string): Promise<Stanza> {
  const at = (key: string) => ({ name: "login", key });
  const repository = {
    bucket: "backups",
    endpoint: "s3.example.com",
    region: "eu-west-3",
    repoPath: "/pg",
    secretRef: { accessKeyId: at("id"), secretAccessKey: at("key") },
  };
  const spec = { stanzaConfiguration: { name: "pg", s3Repositories: [repository] } };
  const object: Stanza = { apiVersion, kind: "Stanza", metadata: { namespace, name }, spec };
  const made = await client.create(stanzas, object, { signal: signal() });
  await ensureLease(client, made, signal());
  return made;
}

async function makeCluster(namespace: string, name: string, { metadata }: Stanza): Promise<void> {
  const plugin = { name: "holdfast.dev", isWALArchiver: true, parameters: { stanza: metadata.name } };
  const spec = { instances: 1, storage: { size: "1Gi" }, plugins: [plugin] };
  const cluster = { apiVersion: "postgresql.cnpg.io/v1", kind: "Cluster", metadata: { namespace, name }, spec };
  await client.create<KubeObject>(cnpg.clusters, cluster, { signal: signal() });
}

/** "pg-1 backup nightly" while it is held. */
async function holderOf({ metadata: { namespace = "", name } }: Stanza): Promise<string> {
  const lease = await client.get<Lease>(leases, { namespace, name: stanzaLease(name) }, { signal: signal() });
  const holder = lease?.spec?.holderIdentity?.split("_")[0];
  return `${holder} ${lease?.metadata.annotations?.[purposeAnnotation]}`;
}

const at = (purpose: string, waitMs: number) => ({ purpose, waitMs, signal: signal() });
const inUse = "a Cluster of another namespace with the same stanza holds the Lease holdfast-stanza-copy";
const never = async (): Promise<never> => Promise.reject(new Error("this was let in"));

describe("two Stanzas of the same data", () => {
  it("have nothing removed through one while a backup goes into the other, and right after it", async () => {
    const turns: string[] = [];
    const begun = Promise.withResolvers<void>();
    const end = Promise.withResolvers<void>();
    onTestFinished(() => end.resolve());
    const backup = sidecarMutex.hold(at("backup nightly", 0), async () => {
      begun.resolve();
      await end.promise;
      turns.push("backed up");
    });
    await begun.promise;
    expect(await holderOf(main)).toBe("pg-1 backup nightly");
    await expect(operatorMutex(copy).hold(at("retention", 0), never)).rejects.toMatchObject({
      name: "MutexBusyError",
      message: inUse,
    });
    const retention = operatorMutex(copy).hold(at("retention", 30_000), async () => {
      turns.push("removed");
      return [await holderOf(main), await holderOf(copy)];
    });
    end.resolve();
    await backup;
    expect(await retention).toEqual(["holdfast-7d9f retention", "holdfast-7d9f retention"]);
    expect(turns).toEqual(["backed up", "removed"]);
  });

  it("have no backup begun in one while something is removed through the other", async () => {
    await operatorMutex(copy).hold(at("retention", 0), async () => {
      await expect(sidecarMutex.hold(at("backup nightly", 0), never)).rejects.toMatchObject({
        message: "holdfast-7d9f holds the Lease holdfast-stanza-main for retention",
      });
    });
    expect(await sidecarMutex.hold(at("backup nightly", 0), () => holderOf(main))).toBe("pg-1 backup nightly");
  });

  it("are worked on by one operator at a time while the leader changes", async () => {
    const refusal = async (mutex: Mutex): Promise<unknown> =>
      mutex.hold(at("expire", 0), never).catch((error: Error) => error.message);
    await operatorMutex(main, "holdfast-old").hold(at("expire", 0), async () => {
      expect(await refusal(operatorMutex(main, "holdfast-new"))).toBe(
        "holdfast-old holds the Lease holdfast-stanza-main for expire",
      );
      expect(await refusal(operatorMutex(copy, "holdfast-new"))).toBe(inUse);
    });
    await operatorMutex(copy, "holdfast-new").hold(at("retention", 0), async () => {
      expect(await refusal(operatorMutex(main, "holdfast-old"))).toBe(
        "holdfast-new holds the Lease holdfast-stanza-main for retention",
      );
    });
  });
});
