// Looks at each Stanza in turn, says in its status how its repositories stand, keeps the Archive that stands for it, and
// makes records for backups that have none.
import { apiVersion, archives as archiveKind, backups as backupKind, stanzas as stanzaKind } from "#api/kinds.ts";
import type { Archive } from "#api/gen/archive.ts";
import type { Backup } from "#api/gen/backup.ts";
import type { InstanceReport } from "#api/gen/instance-report.ts";
import type { Stanza } from "#api/gen/stanza.ts";
import type { KubeClient } from "#kube/client.ts";
import { isKubeError } from "#kube/errors.ts";
import { ownKey, sourceOf, type Reconcile, type Source } from "#kube/controller.ts";
import type { EventRecorder } from "#kube/events.ts";
import type { Informer } from "#kube/informer.ts";
import { keyOf, type KubeObject } from "#kube/object.ts";
import { createStatusWriter } from "#kube/status-writer.ts";
import type { Logger } from "#observe/logger.ts";
import type { Repository } from "#repository/repository.ts";
import { announceReady } from "../announce.ts";
import { newWarning } from "../archive/conditions.ts";
import { livingClusters, reportNews } from "../archive/living.ts";
import { deletedRecords, makeRecords } from "../archive/make-records.ts";
import { keepMeasurements, statusOf } from "../archive/status.ts";
import { archivesOf, removeArchives, writeArchive } from "../archive/write.ts";
import type { Catalogs, ReadingProblem } from "../catalogs.ts";
import type { Trigger } from "../trigger.ts";
import type { GapBackupPlan } from "./gap-backup.ts";
import { keptSample, sampleOf, type WalSample } from "./forecast.ts";
import { ensureLease } from "./lease.ts";
import { mergeCatalogs } from "./merge.ts";
import {
  lookAtStanza,
  type Known,
  type OpenedStanza,
  type OpenStanza,
  type Preflight,
  type TryRepository,
} from "./observe.ts";
import { isAllUsable, planStanza, primaryOf } from "./plan.ts";
import { problemIn } from "./repository-problem.ts";
import type { Findings } from "./findings.ts";
import type { RetentionStatus } from "./retention-plan.ts";
import type { VerificationStatus } from "./verification.ts";
import { newDamage, verified } from "./verified.ts";
import { describeGap } from "./wal-gaps.ts";
import { statusManager, type Look, type RepositoryStatus } from "./terms.ts";

export interface StanzaDeps {
  readonly client: KubeClient;
  readonly stanzas: Informer<Stanza>;
  readonly archives: Informer<Archive>;
  readonly backups: Informer<Backup>;
  readonly clusters: Informer<KubeObject>;
  readonly reports: Informer<InstanceReport>;
  readonly catalogs: Catalogs;
  readonly retentions: Findings<RetentionStatus>;
  readonly verifications: Findings<VerificationStatus>;
  readonly lookAtStanza: Trigger;
  readonly openStanza: OpenStanza;
  readonly tryRepository: TryRepository;
  /** Of these repositories only. */
  readonly repositoryOf: (opened: OpenedStanza, only: readonly number[]) => Repository;
  readonly events: EventRecorder;
}

/** Stanzas when their spec changes, and when a report brings news of the archiving to one; the rest at an interval. */
export function stanzaSources(deps: StanzaDeps): Source[] {
  const { stanzas, archives, clusters, lookAtStanza: trigger } = deps;
  const quiet = (informer: Informer<KubeObject>) => sourceOf(informer, () => []);
  return [
    sourceOf(stanzas, ownKey),
    quiet(archives),
    deletedRecords(deps, "Stanza"),
    quiet(clusters),
    reportNews(deps, "Stanza"),
    trigger,
  ];
}

/** How long a preflight that found nothing wrong counts. */
const preflightMs = 600_000;

/** What is remembered of a Stanza between two looks. */
interface Memory {
  readonly known: Known;
  readonly preflight?: Preflight & { readonly generation: number; readonly at: number };
  readonly wal?: WalSample | undefined;
}

export function stanzaReconcile(deps: StanzaDeps): Reconcile {
  const stanzaStatus = createStatusWriter(deps.client, stanzaKind, statusManager);
  const archiveStatus = createStatusWriter(deps.client, archiveKind, "holdfast");
  const memories = new Map<string, Memory>();

  return async (key, signal, logger) => {
    const storeKey = { ...key, kind: "Stanza" } as const;
    const id = keyOf(key);
    const stanza = deps.stanzas.get(key);
    if (stanza === undefined || stanza.metadata.deletionTimestamp !== undefined) {
      memories.delete(id);
      deps.catalogs.delete(storeKey);
      return {};
    }
    await ensureLease(deps.client, stanza, signal);
    const memory = memories.get(id);
    const last = memory?.preflight;
    const generation = stanza.metadata.generation ?? 1;
    const counts =
      isAllUsable(stanza.status?.conditions) &&
      last?.generation === generation &&
      performance.now() - last.at < preflightMs;
    const startedAt = performance.now();
    const looked = await lookAtStanza(stanza, {
      open: deps.openStanza,
      tryRepository: deps.tryRepository,
      openRepository: deps.repositoryOf,
      known: memory?.known,
      lastRetention: carried(deps, stanza).retention?.lastRunTime,
      preflight: counts ? last : undefined,
      signal,
    });
    const { look, preflight } = looked;
    const made = preflight?.isNew === true ? { ...preflight, generation, at: performance.now() } : preflight && last;
    // First of all: what stops the status from being written must not keep a backup from being judged.
    deps.catalogs.set(storeKey, { storeUid: stanza.metadata.uid ?? "", startedAt, ...readingOf(stanza, look) });

    const now = new Date();
    const { namespace } = stanza.metadata;
    const archives = archivesOf(deps, stanza);
    const clusters = livingClusters(deps, storeKey);
    const walBefore = memory?.wal;
    memories.set(id, {
      known: looked.known,
      wal: keptSample(walBefore, sampleOf(primaryOf({ clusters }))),
      ...(made && { preflight: made }),
    });
    const plan = planStanza({
      stanza,
      look,
      archives,
      backups: deps.backups.list().filter(({ metadata }) => metadata.namespace === namespace),
      clusters,
      walBefore,
      now,
    });
    const found = carried(deps, stanza);
    const verdicts = [...plan.verdicts, ...verified(stanza, found.verification)];
    const status = { ...plan.facts, ...found, ...statusOf(stanza, verdicts, now) };
    await stanzaStatus.write(stanza, keepMeasurements(stanza.status, status, "lastCheckedTime", now), signal);
    await announceReady(deps.events, { kind: "Stanza", object: stanza, verdicts: plan.verdicts }, signal);
    const written = { store: { kind: "Stanza", object: stanza }, writer: archiveStatus, now, signal } as const;
    await tellGaps(deps, stanza, plan.newGaps, signal);
    await tellWarning(deps, stanza, newDamage(stanza.status?.conditions, verdicts), signal);
    // An Archive that could not be read says nothing of it, and would not remember that it was told.
    const isShown = plan.archives.some(({ verdicts }) => verdicts.some(({ type }) => type === "Archiving"));
    const slowed = isShown ? newWarning(archives, clusters[0]?.report) : undefined;
    await tellWarning(
      deps,
      stanza,
      slowed === undefined ? undefined : { reason: "ArchivingSlowed", message: slowed },
      signal,
    );
    await askForBackups(deps, plan.gapBackups, { logger, signal });
    for (const planned of plan.archives) await writeArchive(deps, { ...written, planned });
    const isWhole = look.kind === "looked" && look.repositories.every(({ isRead }) => isRead);
    if (isWhole) await removeArchives(deps, { archives, planned: plan.archives, logger, signal });
    await makeRecords(deps, plan.records, { store: storeKey, startedAt, logger, signal });
    return { requeueAfterMs: plan.requeueAfterMs };
  };
}

async function tellGaps(
  { events }: StanzaDeps,
  stanza: Stanza,
  rows: readonly RepositoryStatus[],
  signal: AbortSignal,
): Promise<void> {
  for (const { key, gap } of rows) {
    const event = { type: "Warning", reason: "WALGap", message: describeGap(key, gap?.segment ?? "") } as const;
    await events.record({ ...stanza, apiVersion, kind: "Stanza" }, event, signal);
  }
}

async function tellWarning(
  { events }: StanzaDeps,
  stanza: Stanza,
  warning: { readonly reason: string; readonly message: string } | undefined,
  signal: AbortSignal,
): Promise<void> {
  if (warning === undefined) return;
  const event = { type: "Warning", reason: warning.reason, message: warning.message.slice(0, 1000) } as const;
  await events.record({ ...stanza, apiVersion, kind: "Stanza" }, event, signal);
}

async function askForBackups(
  { client }: StanzaDeps,
  plans: readonly GapBackupPlan[],
  { logger, signal }: { readonly logger: Logger; readonly signal: AbortSignal },
): Promise<void> {
  for (const plan of plans) {
    const { name, why } = plan;
    if (plan.kind !== "create") {
      logger.debug({ backup: name, why }, "no backup is asked for");
      continue;
    }
    try {
      await client.create(backupKind, plan.object, { signal });
      logger.info({ backup: name, why }, "asked for a full backup");
    } catch (error) {
      if (!isKubeError(error, "AlreadyExists")) throw error;
    }
  }
}

/** What other controllers found out about it: this one alone writes the status. */
const carried = ({ retentions, verifications }: StanzaDeps, { metadata: { uid = "" }, status }: Stanza) => {
  const retention = retentions.get(uid) ?? status?.retention;
  const verification = verifications.get(uid) ?? status?.verification;
  return { ...(retention && { retention }), ...(verification && { verification }) };
};

/** What Backups are judged by: only what the repositories list now. */
function readingOf(stanza: Stanza, look: Look) {
  if (look.kind === "unopened") {
    const { reason, message } = look.problem;
    return { catalogs: undefined, problem: { reason, message } };
  }
  const read = look.repositories.filter(({ isRead }) => isRead);
  const unread = look.repositories
    .filter(({ isRead }) => !isRead)
    .map((repository): readonly [number, ReadingProblem] => {
      const { reason, message } = problemIn(repository) ?? { reason: "StoreError", message: "it could not be read" };
      return [repository.key, { reason, message: `Stanza ${stanza.metadata.name} cannot be read whole: ${message}` }];
    });
  const { name } = stanza.spec.stanzaConfiguration;
  return { catalogs: new Map([[name, { ...mergeCatalogs(read), server: name }]]), unread: new Map(unread) };
}
