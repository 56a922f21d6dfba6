import { describe, expect, it } from "vitest";
import { hex, invoke, invokeRaw } from "#test/contract/cnpgi-invoke.ts";
import { Metrics, MetricType_Type as Type } from "./gen/metrics_pb.ts";
import { metricsService, type MetricsSnapshot } from "./metrics.ts";

const { getCapabilities, define, collect } = Metrics.method;
const service = (snapshot: MetricsSnapshot = {}) => metricsService({ snapshot: () => snapshot });

describe("the metrics", () => {
  it("are advertised in these bytes", async () => {
    expect(hex(await invokeRaw(service(), getCapabilities, {}))).toBe("0a 04 0a 02 08 01");
  });

  it("are defined with a name that Prometheus takes, a type and no labels", async () => {
    const { metrics } = await invoke(service(), define, {});
    for (const metric of metrics) {
      expect(metric.fqName).toMatch(/^holdfast_[a-z_]+$/);
      expect(metric.help).toMatch(/\.$/);
      expect(metric.variableLabels).toEqual([]);
      const isCounter = metric.fqName.endsWith("_total");
      expect([metric.fqName, metric.valueType?.type]).toEqual([metric.fqName, isCounter ? Type.COUNTER : Type.GAUGE]);
    }
    expect(new Set(metrics.map(({ fqName }) => fqName)).size).toBe(metrics.length);
  });

  it("are collected as far as they are known: a zero is a value, an absence is none", async () => {
    const { metrics } = await invoke(service({ wal_ready_files: 0, wal_archived_bytes_total: 3e10 }), collect, {});
    expect(metrics.map(({ fqName, value, variableLabels }) => [fqName, value, variableLabels])).toEqual([
      ["holdfast_wal_archived_bytes_total", 3e10, []],
      ["holdfast_wal_ready_files", 0, []],
    ]);
    expect((await invoke(service(), collect, {})).metrics).toEqual([]);
  });

  it("are collected only as defined", async () => {
    const all = { wal_ready_files: 1, backup_running: 1, wal_last_archived_timestamp_seconds: 1 };
    const defined = new Set((await invoke(service(), define, {})).metrics.map(({ fqName }) => fqName));
    const collected = (await invoke(service(all), collect, {})).metrics.map(({ fqName }) => fqName);
    expect(collected.filter((name) => !defined.has(name))).toEqual([]);
    expect(collected).toHaveLength(3);
  });
});
