// Everything that only one replica does: the controllers, with the caches that only they read.
import { parseSidecarConfig, sidecarConfigName } from "#cnpg/sidecar-config.ts";
import { backupReconcile, backupSources } from "#controllers/backup/controller.ts";
import { mirrorReconcile } from "#controllers/backup/mirror.ts";
import { Catalogs } from "#controllers/catalogs.ts";
import type { AccessKeeper } from "#controllers/cluster/access-keeper.ts";
import { clusterReconcile, clusterSources } from "#controllers/cluster/controller.ts";
import {
  certificateReconcile,
  certificateSources,
  installationReconcile,
  installationSources,
} from "#controllers/installation/controller.ts";
import { scheduleReconcile, scheduleSources } from "#controllers/backup-schedule/controller.ts";
import { storeReconcile, storeSources } from "#controllers/object-store/controller.ts";
import { stanzaReconcile, stanzaSources } from "#controllers/stanza/controller.ts";
import { retentionDeadlineMs, retentionReconcile, retentionSources } from "#controllers/stanza/retention.ts";
import { Findings } from "#controllers/stanza/findings.ts";
import type { RetentionStatus } from "#controllers/stanza/retention-plan.ts";
import {
  verificationReconcile,
  verificationSources,
  type VerificationStatus,
} from "#controllers/stanza/verification.ts";
import { tryRepository } from "#controllers/stanza/try-repository.ts";
import type { StoreKey } from "#controllers/store-key.ts";
import { Trigger } from "#controllers/trigger.ts";
import type { KubeClient } from "#kube/client.ts";
import { ownKey, runController, sourceOf, type Reconcile, type Source } from "#kube/controller.ts";
import { createEventRecorder } from "#kube/events.ts";
import type { Informer } from "#kube/informer.ts";
import { processIdentity } from "#kube/lease-mutex.ts";
import type { KubeObject } from "#kube/object.ts";
import type { CertificatePolicy } from "#kube/pki/plan.ts";
import type { Logger } from "#observe/logger.ts";
import { createLeaderCaches, type createReplicaCaches } from "./caches.ts";
import { createMutexes } from "./mutexes.ts";
import { createOpenRepository, repositoryOfStanza } from "./repositories.ts";
import { createStanzaMutexes } from "./stanza-mutexes.ts";
import type { OperatorStanzas } from "./stanzas.ts";
import type { OperatorStores } from "./stores.ts";

export interface LeadDeps {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly pod: string;
  readonly caches: ReturnType<typeof createReplicaCaches>;
  readonly access: AccessKeeper;
  readonly stores: OperatorStores;
  readonly stanzas: OperatorStanzas;
  readonly certificates: CertificatePolicy;
  readonly logger: Logger;
}

/** Runs until the signal aborts and every controller has stopped. */
export async function lead(deps: LeadDeps, signal: AbortSignal): Promise<void> {
  const { client, namespace, pod, logger, access } = deps;
  logger.info("leading");
  const own = createLeaderCaches(client, logger);
  const ownInformers: readonly Informer<KubeObject>[] = Object.values(own);
  const mutexes = createMutexes({ client, identity: processIdentity(pod), logger });
  const mutexOf = createStanzaMutexes({ ...deps.caches, mutexOf: mutexes });
  const triggers = { lookAtStore: new Trigger(), lookAtStanza: new Trigger() };
  const shared = {
    ...deps.caches,
    ...own,
    client,
    namespace,
    access,
    openStore: deps.stores.open,
    openStanza: deps.stanzas.open,
    openRepository: createOpenRepository({ stores: deps.stores, stanzas: deps.stanzas, mutexOf }),
    mutexOf,
    retentions: new Findings<RetentionStatus>(),
    verifications: new Findings<VerificationStatus>(),
    jobImage: () => {
      const found = deps.caches.sidecarConfig.get({ namespace, name: sidecarConfigName });
      return found && parseSidecarConfig(found);
    },
    repositoryOf: repositoryOfStanza,
    tryRepository,
    events: createEventRecorder({ client, instance: pod, logger }),
    catalogs: new Catalogs(),
    ...triggers,
    lookAt: (store: StoreKey) =>
      (store.kind === "Stanza" ? triggers.lookAtStanza : triggers.lookAtStore).fire({
        name: store.name,
        ...(store.namespace !== undefined && { namespace: store.namespace }),
      }),
  };
  const run = (name: string, sources: readonly Source[], reconcile: Reconcile, concurrency = 2) =>
    runController({ name, sources, reconcile, concurrency, logger }, signal);
  // So many that a few of those that wait for a store that does not answer keep no other waiting.
  const runLong = (name: string, sources: readonly Source[], reconcile: Reconcile, deadlineMs: number) =>
    runController({ name, sources, reconcile, deadlineMs, concurrency: 16, logger }, signal);

  await Promise.all([
    ...ownInformers.map((informer) => informer.run(signal)),
    run(
      "certificates",
      certificateSources({ ...shared, deployment: shared.deployment }),
      certificateReconcile(shared, deps.certificates, logger),
      1,
    ),
    run("installation", installationSources(shared), installationReconcile(shared), 1),
    run("cluster", clusterSources(shared), clusterReconcile(shared)),
    // Each silent endpoint holds a worker for seconds: a dozen of them must not keep the others waiting.
    run("objectstore", storeSources(shared), storeReconcile(shared), 16),
    // The processes that run beside us are bounded for themselves.
    run("stanza", stanzaSources(shared), stanzaReconcile(shared), 16),
    runLong("stanza-retention", retentionSources(shared), retentionReconcile(shared), retentionDeadlineMs),
    run("stanza-verification", verificationSources(shared), verificationReconcile(shared)),
    run("backup", backupSources(shared), backupReconcile(shared), 4),
    run("backupschedule", scheduleSources(shared), scheduleReconcile(shared)),
    run(
      "cnpg-backup",
      [sourceOf(own.cnpgBackups, ownKey), { ...noSource, synced: (s) => own.backups.synced(s) }],
      mirrorReconcile(shared),
    ),
  ]);
}

/** Waits for a cache without taking keys from it. */
const noSource: Source = { synced: async () => undefined, subscribe: () => () => undefined, replay: () => undefined };
