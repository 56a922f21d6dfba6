// Retention of Stanzas: hourly, after each new backup and after a change of the spec, one repository after the other, under
// the Lease. What came of it stands in the Stanza's status, which the look at the Stanza writes.
import { apiVersion } from "#api/kinds.ts";
import type { InstanceReport } from "#api/gen/instance-report.ts";
import type { Stanza } from "#api/gen/stanza.ts";
import { sourceOf, ownKey, type Reconcile, type Source } from "#kube/controller.ts";
import type { EventRecorder } from "#kube/events.ts";
import type { Informer } from "#kube/informer.ts";
import { MutexBusyError, type Mutex } from "#kube/mutex.ts";
import { keyOf } from "#kube/object.ts";
import type { BackupRecord } from "#repository/catalog.ts";
import { restoringFrom } from "../backup/restoring.ts";
import type { StoreReading } from "../catalogs.ts";
import type { Trigger } from "../trigger.ts";
import { removeExpiredRecords, type ExpiredDeps } from "./expired-records.ts";
import type { OpenStanza } from "./observe.ts";
import { backupsOf } from "./removing.ts";
import {
  dueAfterMs,
  goneRecords,
  isPartial,
  retentionStatus,
  type RetentionRun,
  type RetentionStatus,
} from "./retention-plan.ts";
import type { Findings } from "./findings.ts";
import type { VerificationStatus } from "./verification.ts";
import { damageIn } from "./verified.ts";
import { runRetention } from "./retention-run.ts";
import { brokenIn } from "./standing.ts";

export interface RetentionDeps extends ExpiredDeps {
  readonly stanzas: Informer<Stanza>;
  readonly reports: Informer<InstanceReport>;
  readonly retentions: Findings<RetentionStatus>;
  readonly verifications: Findings<VerificationStatus>;
  readonly lookAtStanza: Trigger;
  readonly openStanza: OpenStanza;
  /** Keeps out whoever else changes the Stanza's data. */
  readonly mutexOf: (stanza: Stanza) => Mutex;
  readonly events: EventRecorder;
}

/** Also after each look, which may bring a new backup. */
export const retentionSources = ({ stanzas, catalogs }: RetentionDeps): Source[] => [
  sourceOf(stanzas, ownKey),
  {
    synced: async () => undefined,
    subscribe: (enqueue) =>
      catalogs.subscribe(({ kind, name, namespace }) => {
        if (kind === "Stanza") enqueue({ name, ...(namespace !== undefined && { namespace }) });
      }),
    replay: () => undefined,
  },
];

/** Of one run: a large repository takes long to remove from. */
export const retentionDeadlineMs = 70 * 60_000;
/** A backup may hold the Lease for hours. */
const waitMs = 5_000;
const busyAgainMs = 120_000;

export function retentionReconcile(deps: RetentionDeps): Reconcile {
  const runs = new Map<string, RetentionRun>();
  return async (key, signal, logger) => {
    const id = keyOf(key);
    const stanza = deps.stanzas.get(key);
    if (stanza === undefined || stanza.metadata.deletionTimestamp !== undefined) {
      runs.delete(id);
      return {};
    }
    // Nothing is planned before the repositories were read; the look that reads them brings us here again.
    const reading = readingOf(deps, stanza);
    const catalog = reading?.catalogs?.get(stanza.spec.stanzaConfiguration.name);
    if (reading === undefined || catalog === undefined) return {};
    const generation = stanza.metadata.generation ?? 1;
    const newestBackup = catalog.backups.at(-1)?.id;
    const afterMs = dueAfterMs({ last: runs.get(id), generation, newestBackup, now: new Date() });
    if (afterMs > 0) return { requeueAfterMs: afterMs };
    const mode = stanza.spec.retention?.mode ?? "Preview";
    const opened = await deps.openStanza(stanza, signal);
    const mutex = deps.mutexOf(stanza);
    const verification = deps.verifications.get(stanza.metadata.uid ?? "") ?? stanza.status?.verification;
    try {
      const { outcomes, gone, removing } = await mutex.hold({ purpose: "retention", waitMs, signal }, (held) =>
        runRetention(deps, stanza, opened, {
          mode,
          unread: reading.unread,
          restoring: restoringFrom(deps.reports),
          broken: brokenIn(stanza, deps.backups.list()),
          refusal: (location) => damageIn(stanza, verification, location),
          signal: held,
        }),
      );
      const now = new Date();
      const status = retentionStatus(mode, outcomes, now);
      logger.info({ summary: status.summary }, "retention ran");
      const removed = [...backupsOf(gone), ...goneRecords(outcomes, catalog)];
      if (removed.length > 0) {
        await tell(deps, stanza, removed, signal);
        await removeExpiredRecords(deps, { stanza, records: removed, logger, signal });
      }
      // Not before the records are gone: else nobody would remove them.
      deps.retentions.set(stanza.metadata.uid ?? "", { ...status, ...(removing.length > 0 && { removing }) });
      runs.set(id, { at: now, generation, newestBackup, isPartial: isPartial(outcomes) });
      deps.lookAtStanza.fire(key);
      return { requeueAfterMs: dueAfterMs({ last: runs.get(id), generation, newestBackup, now }) };
    } catch (error) {
      if (!(error instanceof MutexBusyError)) throw error;
      logger.info({ why: error.message }, "retention waits");
      return { requeueAfterMs: busyAgainMs };
    }
  };
}

function readingOf({ catalogs }: RetentionDeps, { metadata }: Stanza): StoreReading | undefined {
  const { name, namespace } = metadata;
  const reading = catalogs.get({ kind: "Stanza", name, ...(namespace !== undefined && { namespace }) });
  return reading?.storeUid === metadata.uid ? reading : undefined;
}

async function tell(
  { events }: RetentionDeps,
  stanza: Stanza,
  removed: readonly Pick<BackupRecord, "id" | "repository">[],
  signal: AbortSignal,
): Promise<void> {
  const message = `retention removed ${removed.map(({ id, repository }) => `${id} (repository ${repository})`).join(", ")}`;
  const event = { type: "Normal", reason: "BackupsExpired", message: message.slice(0, 1000) } as const;
  await events.record({ ...stanza, apiVersion, kind: "Stanza" }, event, signal);
}
