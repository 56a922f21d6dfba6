// What the instance's own exporter publishes for us. Asked at every scrape with 5 s for all plugins, so it reads one
// snapshot and no file, socket or store. What is not known is left out: a zero would look like a fact.
import { complete } from "./capabilities.ts";
import {
  DefineMetricsResultSchema,
  Metrics,
  MetricsCapabilitiesResultSchema,
  MetricsCapability_RPC_Type as Capability,
  MetricType_Type as Type,
} from "./gen/metrics_pb.ts";
import { service, type Service } from "./service.ts";

/** Every metric of the sidecar: its name is that in the snapshot with "holdfast_" before it. */
export const metricTable = {
  wal_archived_segments_total: { type: Type.COUNTER, help: "WAL files stored since the sidecar started." },
  wal_archived_bytes_total: {
    type: Type.COUNTER,
    help: "Bytes of WAL stored since the sidecar started, before compression.",
  },
  wal_archive_failures_total: {
    type: Type.COUNTER,
    help: "Calls to archive a WAL file that failed since the sidecar started.",
  },
  wal_given_up_files: {
    type: Type.GAUGE,
    help: "WAL files since the sidecar started that were given up in a repository, up to 100: the queue outgrew archive.pushQueueMax.",
  },
  wal_last_archived_timestamp_seconds: {
    type: Type.GAUGE,
    help: "When this instance last stored a WAL file, Unix time.",
  },
  wal_ready_files: { type: Type.GAUGE, help: "WAL files of this instance that wait to be archived." },
  wal_restored_segments_total: { type: Type.COUNTER, help: "WAL files restored since the sidecar started." },
  wal_restore_failures_total: {
    type: Type.COUNTER,
    help: "Calls to restore a WAL file that failed since the sidecar started, but for files that are not there.",
  },
  backup_running: { type: Type.GAUGE, help: "1 while a base backup runs on this instance, else 0." },
  backup_running_bytes: { type: Type.GAUGE, help: "Bytes that the running base backup has read." },
  backup_failures_total: {
    type: Type.COUNTER,
    help: "Base backups that failed on this instance since the sidecar started.",
  },
} as const;

export type MetricName = keyof typeof metricTable;

/** Absent: not known, or not true of this instance. */
export type MetricsSnapshot = Readonly<Partial<Record<MetricName, number>>>;

export interface MetricsPort {
  /** From memory. */
  snapshot(): MetricsSnapshot;
}

const metricNames = Object.keys(metricTable) as readonly MetricName[];
const fullName = (name: MetricName): string => `holdfast_${name}`;

export function metricsService(port: MetricsPort): Service {
  const advertised = complete(MetricsCapabilitiesResultSchema, {
    capabilities: [{ type: { case: "rpc", value: { type: Capability.METRICS } } }],
  });
  const defined = complete(DefineMetricsResultSchema, {
    metrics: metricNames.map((name) => ({
      fqName: fullName(name),
      help: metricTable[name].help,
      valueType: { type: metricTable[name].type },
    })),
  });
  return service(Metrics, {
    getCapabilities: () => advertised,
    define: () => defined,
    collect: () => {
      const snapshot = port.snapshot();
      const known = metricNames.flatMap((name) => {
        const value = snapshot[name];
        return value === undefined ? [] : [{ fqName: fullName(name), value }];
      });
      return { metrics: known };
    },
  });
}
