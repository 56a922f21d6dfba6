// Reads what decides about the data of a Backup that is being deleted: its namespace, its work, and its store, whose
// catalog is read for this decision and not taken from the last look.
import { isDeepStrictEqual } from "node:util";
import type { Backup } from "#api/gen/backup.ts";
import { isFinished } from "#cnpg/backup.ts";
import type { KubeClient } from "#kube/client.ts";
import type { KubeObject, Resource } from "#kube/object.ts";
import { withDeadline } from "#std/abort.ts";
import { idOf } from "../archive/plan-records.ts";
import { runningBackups } from "../instance-report.ts";
import { findStore, type OpenRepository } from "../repositories.ts";
import { targetsOf, type DeletionFacts, type StoreState } from "./deletion.ts";
import { hasMoved, repositoryNow } from "./moved.ts";
import { worksOf, type Sources } from "./observe.ts";
import { nameOfStore, placeOf, storeKeyAt } from "./place.ts";
import { restoringFrom } from "./restoring.ts";

const namespaces: Resource = { group: "", version: "v1", kind: "Namespace", plural: "namespaces", namespaced: false };

const readLimitMs = 40_000;

export interface DeletionReads {
  readonly client: KubeClient;
  readonly sources: Sources;
  readonly openRepository: OpenRepository;
  readonly signal: AbortSignal;
}

export async function readDeletionFacts(backup: Backup, reads: DeletionReads): Promise<DeletionFacts> {
  const { client, sources, signal } = reads;
  const { namespace = "" } = backup.metadata;
  const home = await client.get<KubeObject>(namespaces, { name: namespace }, { signal });
  const namespaceTerminating = home === undefined || home.metadata.deletionTimestamp !== undefined;
  const running = isRunning(backup, sources);
  const works = worksOf(backup, sources);
  const id = idOf(backup) ?? works.at(-1)?.status.backupId;
  const began = id !== undefined || works.length > 0 || (backup.status?.attempts ?? 0) > 0;
  const neighbours = neighboursOf(backup, sources);
  const facts = {
    backup,
    id,
    began,
    namespaceTerminating,
    running,
    ...neighbours,
    restoring: restoringFrom(sources.reports),
  };
  if (namespaceTerminating || running || !began)
    return { ...facts, store: { kind: "unusable", why: "it was not looked at" } };
  return { ...facts, store: await readStore(facts, reads) };
}

/** What the other Backups of the same server and store stand for. One whose data goes with it holds nothing. */
function neighboursOf(backup: Backup, sources: Sources): Pick<DeletionFacts, "others" | "broken"> {
  const { namespace, uid } = backup.metadata;
  const place = placeOf(backup, sources);
  const others = new Map<string, string>();
  const broken = new Set<string>();
  for (const other of sources.backups.list()) {
    const id = idOf(other);
    if (id === undefined || other.metadata.namespace !== namespace || other.metadata.uid === uid) continue;
    if (!isDeepStrictEqual(placeOf(other, sources), place)) continue;
    const goes = other.metadata.deletionTimestamp !== undefined && other.spec.deletionPolicy === "Delete";
    if (!goes) others.set(id, other.metadata.name);
    if (other.status?.phase === "Failed") broken.add(id);
  }
  return { others, broken };
}

/** CNPG has not ended its work, or the sidecar still says that it runs. */
function isRunning(backup: Backup, sources: Sources): boolean {
  // What runs under its name then is another backup.
  if (idOf(backup) !== undefined) return false;
  const works = worksOf(backup, sources);
  if (works.some((work) => !isFinished(work))) return true;
  const { name, namespace = "" } = backup.metadata;
  const names = new Set([name, backup.status?.cnpgBackup, ...works.map(({ metadata }) => metadata.name)]);
  const report = sources.reports.get({ namespace, name: backup.spec.cluster?.name ?? "" });
  return runningBackups(report, new Date()).some((running) => names.has(running));
}

async function readStore(
  facts: Omit<DeletionFacts, "store">,
  { sources, openRepository, signal: outer }: DeletionReads,
): Promise<StoreState> {
  const { backup } = facts;
  const place = placeOf(backup, sources);
  if (place === undefined) return unusable("it is not known which store it is in");
  const object = findStore(sources, storeKeyAt(backup, place));
  const named = nameOfStore(place);
  if (object === undefined) return unusable(`${named} does not exist`);
  const { metadata } = object.object;
  if (metadata.deletionTimestamp !== undefined) return unusable(`${named} is being deleted`);
  const { uid = metadata.uid } = backup.status?.repository ?? {};
  if (uid !== metadata.uid) return unusable(`${named} is another one than the backup was stored in`);
  if (hasMoved(backup, object)) return unusable(`${named} leads elsewhere than the backup was last seen`);
  const signal = withDeadline(outer, readLimitMs);
  try {
    const number = repositoryNow(backup, object, backup.status?.selectedRepository);
    const { repository } = await openRepository(object, { signal, repository: number });
    const catalog = await repository.catalog(place.serverName, { signal });
    const holds = new Map<string, readonly string[]>();
    for (const { id } of targetsOf(facts, catalog)) {
      const found = await repository.holds(place.serverName, id, { signal });
      holds.set(
        id,
        found.map(({ key }) => key),
      );
    }
    return { kind: "read", catalog, holds };
  } catch (error) {
    outer.throwIfAborted();
    const message = error instanceof Error ? error.message : String(error);
    return unusable(`${named} cannot be read: ${message}`);
  }
}

const unusable = (why: string): StoreState => ({ kind: "unusable", why });
