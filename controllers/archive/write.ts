// Makes the Archives of a store what its last look says, and removes those of servers that it no longer holds.
import { apiVersion, archives as archiveKind } from "#api/kinds.ts";
import type { Archive } from "#api/gen/archive.ts";
import type { KubeClient } from "#kube/client.ts";
import type { Informer } from "#kube/informer.ts";
import type { KubeObject } from "#kube/object.ts";
import type { StatusWriter } from "#kube/status-writer.ts";
import type { Logger } from "#observe/logger.ts";
import type { PlannedArchive, Store } from "./plan.ts";
import { keepMeasurements, statusOf } from "./status.ts";

export interface ArchiveDeps {
  readonly client: KubeClient;
  readonly archives: Informer<Archive>;
}

/** The Archives that the operator made for this very store. */
export const archivesOf = ({ archives }: ArchiveDeps, store: KubeObject): readonly Archive[] =>
  archives
    .list()
    .filter(({ metadata }) => metadata.namespace === store.metadata.namespace)
    .filter(({ metadata }) => metadata.ownerReferences?.some(({ uid }) => uid === store.metadata.uid));

export interface ArchiveWrite {
  readonly store: Store;
  readonly planned: PlannedArchive;
  readonly writer: StatusWriter;
  readonly now: Date;
  readonly signal: AbortSignal;
}

export async function writeArchive(deps: ArchiveDeps, write: ArchiveWrite): Promise<void> {
  const { store, planned, writer, now, signal } = write;
  const { name, uid = "", namespace = "" } = store.object.metadata;
  const owner = { apiVersion, kind: store.kind, name, uid, controller: true };
  const metadata = { name: planned.name, namespace, labels: planned.labels, ownerReferences: [owner] };
  const existing = deps.archives.get({ namespace, name: planned.name });
  const isSame = existing !== undefined && JSON.stringify(existing.metadata.labels) === JSON.stringify(planned.labels);
  const archive = isSame
    ? existing
    : await deps.client.apply<Archive>(archiveKind, { metadata }, { fieldManager: "holdfast", signal });
  const status = { ...planned.facts, ...statusOf(archive, planned.verdicts, now) };
  await writer.write(archive, keepMeasurements(archive.status, status, "lastSyncTime", now), signal);
}

export interface ArchiveRemoval {
  readonly archives: readonly Archive[];
  readonly planned: readonly PlannedArchive[];
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** Only after a look that succeeded. */
export async function removeArchives(
  { client }: ArchiveDeps,
  { archives, planned, logger, signal }: ArchiveRemoval,
): Promise<void> {
  const wanted = new Set(planned.map(({ name }) => name));
  for (const { metadata } of archives.filter((archive) => !wanted.has(archive.metadata.name))) {
    logger.info({ name: metadata.name, why: "the store no longer holds this server" }, "removing an Archive");
    const { name, namespace, uid } = metadata;
    await client.delete(
      archiveKind,
      { name, ...(namespace !== undefined && { namespace }) },
      { signal, ...(uid !== undefined && { uid }) },
    );
  }
}
