// The operator's controllers for stores and backups on a real API server and a real MinIO, without a node: CNPG and the
// sidecars are played by the test, which writes what they would write.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse, parseAllDocuments } from "yaml";
import { afterAll, beforeAll } from "vitest";
import { apiVersion, backups, instanceReports, objectStores } from "#api/kinds.ts";
import type { Backup } from "#api/gen/backup.ts";
import type { InstanceReport } from "#api/gen/instance-report.ts";
import * as cnpg from "#cnpg/resources.ts";
import { backupReconcile, backupSources } from "#controllers/backup/controller.ts";
import { mirrorReconcile } from "#controllers/backup/mirror.ts";
import { createAccessKeeper } from "#controllers/cluster/access-keeper.ts";
import { clusterReconcile, clusterSources } from "#controllers/cluster/controller.ts";
import { Catalogs } from "#controllers/catalogs.ts";
import { storeReconcile, storeSources } from "#controllers/object-store/controller.ts";
import type { StoreKey } from "#controllers/store-key.ts";
import { Trigger } from "#controllers/trigger.ts";
import type { KubeClient } from "#kube/client.ts";
import { ownKey, runController, sourceOf, type Reconcile, type Source } from "#kube/controller.ts";
import { createEventRecorder, events } from "#kube/events.ts";
import type { Informer } from "#kube/informer.ts";
import type { KubeObject, Resource } from "#kube/object.ts";
import { createLogger } from "#observe/logger.ts";
import { backupInfoKey, dataKey } from "#repository/barman/layout.ts";
import { openStore } from "#store/open.ts";
import type { ObjectStore } from "#store/store.ts";
import { createLeaderCaches, createReplicaCaches } from "../../src/cmd/operator/caches.ts";
import { createMutexes } from "../../src/cmd/operator/mutexes.ts";
import { createStanzaMutexes } from "../../src/cmd/operator/stanza-mutexes.ts";
import { createOpenRepository } from "../../src/cmd/operator/repositories.ts";
import { createOperatorStanzas } from "../../src/cmd/operator/stanzas.ts";
import { createOperatorStores } from "../../src/cmd/operator/stores.ts";
import { toolFolders } from "../cluster/build-go.ts";
import { startApiServer, waitUntil, type ApiServer } from "./api-server.ts";
import { adminClient, definitions, signal } from "./kube-widget.ts";
import { minioRegion, startMinio, type Minio } from "./minio.ts";

export const namespace = "default";
const logger = createLogger("error");
const golden = readFileSync(join(import.meta.dirname, "../golden/barman/backup-17.info"), "utf8");
/** Of the golden backup.info. */
export const systemID = "7710555022479023659";
const segment = "000000010000000000000014";

interface EventObject extends KubeObject {
  readonly reason: string;
  readonly type: string;
  readonly note: string;
  readonly regarding: { readonly name: string };
}

interface CnpgBackup extends KubeObject {
  readonly spec: object;
  readonly status?: { readonly phase?: string };
}

export class BackupOperator {
  api!: ApiServer;
  client!: KubeClient & { close(): void };
  minio!: Minio;
  store!: ObjectStore;

  readonly #stop = new AbortController();
  #running: Promise<unknown> = Promise.resolve();

  async start(): Promise<void> {
    [this.api, this.minio] = await Promise.all([startApiServer(), startMinio()]);
    this.client = await adminClient(this.api);
    await this.#define();
    await this.#makeStore();
    this.#running = this.#lead(this.#stop.signal);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    this.store.close();
    this.client.close();
    await Promise.all([this.api.stop(), this.minio.stop()]);
  }

  /** Our kinds, and CNPG's as its release has them. */
  async #define(): Promise<void> {
    const folder = join(import.meta.dirname, "../../crds");
    const ours = readdirSync(folder)
      .filter((file) => file.endsWith("s.yaml"))
      .map((file) => parse(readFileSync(join(folder, file), "utf8")) as KubeObject);
    const released = parseAllDocuments(readFileSync(join(toolFolders().cnpg, "cnpg.yaml"), "utf8"))
      .map((document) => document.toJS() as KubeObject)
      .filter(({ kind, metadata }) => kind === definitions.kind && /^(backups|clusters)\./.test(metadata.name));
    const wanted = [...ours, ...released].filter(({ kind }) => kind === definitions.kind);
    for (const definition of wanted)
      await this.client.apply(definitions, definition, { fieldManager: "test", signal: signal() });
    for (const resource of [backups, objectStores, instanceReports, cnpg.backups, cnpg.clusters])
      await waitUntil(`${resource.plural} are served`, () =>
        this.client.list(resource, { signal: signal() }).then(
          () => true,
          () => false,
        ),
      );
  }

  async #makeStore(): Promise<void> {
    const config = this.minio.config();
    const { credentials, prefix } = config;
    if (credentials.kind !== "keys") throw new Error("MinIO has keys");
    const encode = (text: string): string => Buffer.from(text).toString("base64");
    const data = {
      id: encode(credentials.accessKeyId),
      secret: encode(credentials.secretAccessKey),
      region: encode(minioRegion),
    };
    const secrets: Resource = { group: "", version: "v1", kind: "Secret", plural: "secrets", namespaced: true };
    const secret: KubeObject & { readonly data: object } = { metadata: { name: "minio", namespace }, data };
    await this.client.create(secrets, secret, { signal: signal() });
    const selector = (key: string) => ({ name: "minio", key });
    const object: KubeObject & { readonly spec: object } = {
      apiVersion,
      kind: "ObjectStore",
      metadata: { name: "minio", namespace },
      spec: {
        configuration: {
          destinationPath: `s3://backups/${prefix}`,
          endpointURL: this.minio.endpoint,
          s3Credentials: {
            accessKeyId: selector("id"),
            secretAccessKey: selector("secret"),
            region: selector("region"),
          },
        },
      },
    };
    await this.client.create(objectStores, object, { signal: signal() });
    this.store = await openStore(config);
  }

  #lead(stop: AbortSignal): Promise<unknown> {
    const { client } = this;
    const { stores, stanzas, clusters } = createReplicaCaches(client, namespace, logger);
    const own = createLeaderCaches(client, logger);
    const operatorStores = createOperatorStores(client, stores, logger);
    const operatorStanzas = createOperatorStanzas(client, stanzas, logger);
    const lookAtStore = new Trigger();
    const shared = {
      ...own,
      stores,
      stanzas,
      clusters,
      client,
      openStore: operatorStores.open,
      openRepository: createOpenRepository({
        stores: operatorStores,
        stanzas: operatorStanzas,
        mutexOf: createStanzaMutexes({
          stanzas,
          clusters,
          mutexOf: createMutexes({ client, identity: "test", logger }),
        }),
      }),
      access: createAccessKeeper(client, { stores, stanzas }),
      events: createEventRecorder({ client, instance: "test", logger }),
      catalogs: new Catalogs(),
      lookAtStore,
      lookAt: ({ namespace: home = "", name }: StoreKey) => lookAtStore.fire({ namespace: home, name }),
    };
    const run = (name: string, sources: readonly Source[], reconcile: Reconcile) =>
      runController({ name, sources, reconcile, concurrency: 4, logger }, stop);
    const informers: readonly Informer<KubeObject>[] = [stores, stanzas, clusters, ...Object.values(own)];
    return Promise.all([
      ...informers.map((informer) => informer.run(stop)),
      run("cluster", clusterSources(shared), clusterReconcile(shared)),
      run("objectstore", storeSources(shared), storeReconcile(shared)),
      run("backup", backupSources(shared), backupReconcile(shared)),
      run("cnpg-backup", [sourceOf(own.cnpgBackups, ownKey), sourceOf(own.backups, () => [])], mirrorReconcile(shared)),
    ]).finally(() => (operatorStores.close(), operatorStanzas.close()));
  }

  async makeCluster(name: string): Promise<void> {
    const parameters = { objectStore: "minio" };
    const cluster: KubeObject & { readonly spec: object } = {
      apiVersion: "postgresql.cnpg.io/v1",
      kind: "Cluster",
      metadata: { name, namespace },
      spec: {
        instances: 1,
        storage: { size: "1Gi" },
        plugins: [{ name: "holdfast.dev", isWALArchiver: true, parameters }],
      },
    };
    await this.client.create(cnpg.clusters, cluster, { signal: signal() });
    await waitUntil(`the report of ${name} is made`, async () => (await this.wishes(name)) !== undefined);
  }

  /** What is asked of the sidecars of a Cluster; undefined while nobody could ask. */
  async wishes(cluster: string): Promise<InstanceReport["spec"]> {
    const key = { namespace, name: cluster };
    const report = await this.client.get<InstanceReport>(instanceReports, key, { signal: signal() });
    return report && (report.spec ?? {});
  }

  async request(name: string, cluster: string, spec: Partial<Backup["spec"]> = {}): Promise<void> {
    const object: Backup = {
      apiVersion,
      kind: "Backup",
      metadata: { name, namespace },
      spec: { cluster: { name: cluster }, ...spec },
    };
    await this.client.create(backups, object, { signal: signal() });
  }

  backup = (name: string): Promise<Backup | undefined> =>
    this.client.get<Backup>(backups, { namespace, name }, { signal: signal() });

  cnpgBackup = (name: string): Promise<CnpgBackup | undefined> =>
    this.client.get<CnpgBackup>(cnpg.backups, { namespace, name }, { signal: signal() });

  delete = (name: string): Promise<boolean> => this.client.delete(backups, { namespace, name }, { signal: signal() });

  /** As `kubectl patch --type=merge`. */
  patch = (name: string, patch: object): Promise<Backup> =>
    this.client.patch<Backup>(backups, { namespace, name }, patch, { type: "merge", signal: signal() });

  /** What CNPG says of its Backup. */
  async say(name: string, status: object): Promise<void> {
    await waitUntil(`CNPG Backup ${name} is made`, async () => (await this.cnpgBackup(name)) !== undefined);
    const key = { namespace, name };
    await this.client.patch(cnpg.backups, key, { status }, { type: "merge", subresource: "status", signal: signal() });
  }

  /** What the sidecar of the only instance says of its running backup; undefined: that none runs. */
  async report(cluster: string, backup: object | undefined, reportedAt = new Date()): Promise<void> {
    const entry = { role: "primary", reportedAt: reportedAt.toISOString(), backup: backup ?? null };
    const status = { instances: { [`${cluster}-1`]: entry } };
    const options = { type: "merge", subresource: "status", signal: signal() } as const;
    await this.client.patch(instanceReports, { namespace, name: cluster }, { status }, options);
  }

  /** What the sidecar of a recovery job says of its restore. */
  async reportRestore(cluster: string, restore: object): Promise<void> {
    const entry = { reportedAt: new Date().toISOString(), restore };
    const status = { instances: { [`${cluster}-1`]: entry } };
    const options = { type: "merge", subresource: "status", signal: signal() } as const;
    await this.client.patch(instanceReports, { namespace, name: cluster }, { status }, options);
  }

  /** A backup in the store as a sidecar leaves it, without what is left out. */
  async put(
    server: string,
    id: string,
    name: string,
    leaveOut: readonly ("info" | "data" | "wal")[] = [],
  ): Promise<void> {
    const put = (key: string, text: string): Promise<void> =>
      this.store.put(key, Buffer.from(text), { signal: signal() });
    if (!leaveOut.includes("wal")) await put(`${server}/wals/${segment.slice(0, 16)}/${segment}.gz`, "wal");
    if (!leaveOut.includes("data")) await put(dataKey(server, id, "data.tar"), "data");
    if (!leaveOut.includes("info")) await put(backupInfoKey(server, id), `backup_name=${name}\n${golden}`);
  }

  /** CNPG completes what the sidecar stored. */
  completed = (name: string, backupId: string): Promise<void> =>
    this.say(name, { phase: "completed", backupId, pluginMetadata: { systemID } });

  async untilPhase(name: string, phase: string): Promise<Backup> {
    let last: Backup | undefined;
    await waitUntil(`${name} is ${phase}`, async () => (last = await this.backup(name))?.status?.phase === phase).catch(
      (error: unknown) => {
        throw new Error(`${name} is not ${phase}: ${JSON.stringify(last?.status)}`, { cause: error });
      },
    );
    return last!;
  }

  ready = (backup: Backup) => backup.status?.conditions?.find(({ type }) => type === "Ready");

  /** Looks at the store now instead of within the minute. */
  async look(): Promise<void> {
    const patch = { metadata: { annotations: { look: String(performance.now()) } } };
    await this.client.patch(objectStores, { namespace, name: "minio" }, patch, { type: "merge", signal: signal() });
  }

  async untilEvent(about: string, reason: string): Promise<string> {
    let note = "";
    await waitUntil(`event ${reason} about ${about}`, async () => {
      const { items } = await this.client.list<EventObject>(events, { namespace, signal: signal() });
      note = items.find((event) => event.regarding.name === about && event.reason === reason)?.note ?? "";
      return note !== "";
    });
    return note;
  }

  keysOf = async (prefix: string): Promise<string[]> => (await this.keys(prefix)).map((key) => prefix + key);

  async keys(prefix: string): Promise<readonly string[]> {
    const entries = await Array.fromAsync(this.store.list(prefix, { signal: signal() }));
    return entries.flatMap((entry) => (entry.kind === "object" ? [entry.key.slice(prefix.length)] : []));
  }
}

/** Registers the hooks of the test file. */
export function useBackupOperator(): BackupOperator {
  const operator = new BackupOperator();
  beforeAll(() => operator.start());
  afterAll(() => operator.stop());
  return operator;
}
