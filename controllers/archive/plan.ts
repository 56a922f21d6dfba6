// The Archive that stands for one database in a store of either kind. Pure.
import { isObjectName, labels, objectName } from "#api/names.ts";
import type { Archive } from "#api/gen/archive.ts";
import type { InstanceReport } from "#api/gen/instance-report.ts";
import type { KubeObject } from "#kube/object.ts";
import { timestamp } from "#kube/timestamp.ts";
import type { BackupRecord, Catalog } from "#repository/catalog.ts";
import { ofSystem } from "#repository/recovery-window.ts";
import { primaryEntry, reportAgeMaxMs, reportAgeMs } from "../instance-report.ts";
import type { StoreKind } from "../store-key.ts";
import type { Verdict } from "../verdict.ts";
import { archiveConditions, type WindowProof } from "./conditions.ts";

/** The ObjectStore or Stanza that an Archive is in. */
export interface Store {
  readonly kind: StoreKind;
  readonly object: KubeObject;
}

export interface ObservedServer {
  readonly server: string;
  readonly catalog: Catalog;
  /** Of the database that is there now, where the store tells. */
  readonly systemID?: string;
  readonly newestWal?: { readonly name: string; readonly time?: Date };
  /** The cluster that the store names as its owner. */
  readonly owner?: {
    readonly systemID: string;
    readonly cluster: { readonly namespace: string; readonly name: string };
  };
  /** First recoverable moment and the newest that the archive reaches. */
  readonly window?: { readonly from: Date; readonly to?: Date };
}

export interface LivingCluster {
  readonly name: string;
  readonly report?: InstanceReport;
}

export interface PlannedArchive {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly facts: Omit<NonNullable<Archive["status"]>, "conditions" | "observedGeneration">;
  readonly verdicts: readonly Verdict[];
}

export interface ArchiveInput {
  readonly store: Store;
  readonly server: ObservedServer;
  /** Living Clusters of the namespace that are told to archive there. */
  readonly clusters: readonly LivingCluster[];
  /** Of a store that says for itself whether its catalog is whole. */
  readonly catalogSynced?: Verdict;
  readonly proof?: WindowProof | undefined;
  readonly now: Date;
}

export const doneOf = (catalog: Catalog): BackupRecord[] =>
  catalog.backups.filter((backup) => backup.status === "done");

/** A silent sidecar changes nothing that would call for another look. */
export function msUntilReportIsOld(input: ArchiveInput): number {
  const report = livingOf(input)?.report;
  const leftMs = reportAgeMaxMs - reportAgeMs(report && primaryEntry(report), input.now);
  return leftMs < 0 ? Infinity : leftMs + 1_000;
}

export function planArchive(input: ArchiveInput): PlannedArchive {
  const { store, server, catalogSynced, proof, now } = input;
  const { kind, object } = store;
  const living = livingOf(input);
  const done = doneOf(server.catalog);
  const last = done.at(-1);
  const primary = living?.report && primaryEntry(living.report);
  const owner = server.owner;
  const systemID = server.systemID ?? owner?.systemID ?? last?.systemId;
  const cluster =
    living !== undefined
      ? { name: living.name, living: true }
      : owner && { namespace: owner.cluster.namespace, name: owner.cluster.name, living: false };
  return {
    name: objectName(object.metadata.name, server.server),
    labels: {
      ...storeLabel(store),
      ...(cluster && isObjectName(cluster.name) && { [labels.cluster]: cluster.name }),
    },
    facts: {
      repository: { kind, name: object.metadata.name, uid: object.metadata.uid ?? "" },
      serverName: server.server,
      ...(cluster && { cluster }),
      ...(systemID !== undefined && { systemID }),
      ...(server.window && { windowFrom: timestamp(server.window.from) }),
      ...(server.window?.to && { windowTo: timestamp(server.window.to) }),
      backups: done.length,
      failedBackups: server.catalog.backups.filter((backup) => backup.status === "failed").length,
      ...(last?.endTime && { lastBackup: { id: last.id, time: timestamp(last.endTime) } }),
      ...(server.newestWal && {
        lastWal: {
          name: server.newestWal.name,
          ...(server.newestWal.time && { time: timestamp(server.newestWal.time) }),
        },
      }),
      ...(primary?.readyFiles !== undefined && { readyFiles: primary.readyFiles }),
      lastSyncTime: timestamp(now),
    } as PlannedArchive["facts"],
    verdicts: archiveConditions({
      catalog: server.catalog,
      backups: ofSystem(done, server.systemID).length,
      formerBackups: done.length - ofSystem(done, server.systemID).length,
      now,
      ...(catalogSynced && { catalogSynced }),
      ...(proof && { proof }),
      ...(living && { primary }),
    }),
  };
}

/** An Archive of a store that cannot be read: its facts stand, and nothing is known of now. */
export function planUnread({ metadata, status }: Archive, why: Omit<Verdict, "type">): PlannedArchive {
  const { conditions: _old, observedGeneration: _seen, ...facts } = status ?? {};
  return {
    name: metadata.name,
    labels: metadata.labels ?? {},
    facts,
    verdicts: [
      { type: "Ready", ...why },
      { type: "CatalogSynced", ...why },
    ],
  };
}

/** When several are told to archive under one name, only the owner can: the others are refused by their sidecars. */
export function livingOf({
  store,
  server: { owner },
  clusters,
}: Pick<ArchiveInput, "store" | "server" | "clusters">): LivingCluster | undefined {
  const isHere = owner?.cluster.namespace === store.object.metadata.namespace;
  return clusters.find(({ name }) => isHere && name === owner?.cluster.name) ?? clusters[0];
}

/** A longer name cannot be a label. */
export const storeLabel = ({ object: { metadata } }: Store): Readonly<Record<string, string>> =>
  metadata.name.length > 63 ? {} : { [labels.store]: metadata.name };
