// The sidecar's side of the InstanceReport: applies its own entry of status and hands the operator's wishes in spec to
// the engine. An API server that is away stops nothing: the report is late, and the operator then says Unknown.
import { instanceReports, apiVersion } from "#api/kinds.ts";
import type { InstanceReport } from "#api/gen/instance-report.ts";
import type { KubeClient } from "#kube/client.ts";
import { isKubeError } from "#kube/errors.ts";
import type { Logger } from "#observe/logger.ts";
import { delay, withDeadline } from "#std/abort.ts";
import { backoffMs } from "#std/backoff.ts";
import { isReportDue, type Entry, type LastWrite } from "./schedule.ts";

export type InstanceEntry = NonNullable<NonNullable<InstanceReport["status"]>["instances"]>[string];
export type Wishes = NonNullable<InstanceReport["spec"]>;

export interface ReporterOptions {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly cluster: string;
  readonly pod: string;
  /** What there is to say now; asked every two seconds. */
  readonly describe: (signal: AbortSignal) => Promise<InstanceEntry>;
  /** Called with spec at start and after each change of it. */
  readonly onWishes: (wishes: Wishes, signal: AbortSignal) => Promise<void>;
  /** How long one watch is trusted: 2 min unless told. */
  readonly watchMsMax?: number;
  readonly logger: Logger;
}

const tickMs = 2_000;
const retry = { firstMs: 1_000, maxMs: 30_000 };

/** Runs until the signal aborts; never throws for a failing API server. */
export async function runReporter(options: ReporterOptions, signal: AbortSignal): Promise<void> {
  await Promise.all([writeReports(options, signal), followWishes(options, signal)]);
}

async function writeReports(options: ReporterOptions, signal: AbortSignal): Promise<void> {
  const { client, namespace, cluster, pod, logger } = options;
  let last: LastWrite | undefined;
  let failures = 0;
  while (!signal.aborted) {
    try {
      const entry: Entry = {
        ...(await options.describe(withDeadline(signal, 5_000))),
        reportedAt: new Date().toISOString(),
      };
      if (isReportDue(entry, last, Date.now())) {
        const report = {
          apiVersion,
          kind: "InstanceReport",
          metadata: { name: cluster, namespace },
          status: { instances: { [pod]: entry } },
        };
        const fieldManager = `holdfast-instance-${pod}`;
        await client.apply(instanceReports, report, {
          fieldManager,
          subresource: "status",
          signal: withDeadline(signal, 10_000),
        });
        last = { entry, atMs: Date.now() };
        failures = 0;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (++failures === 3) logger.warn({ err: error }, "the instance report cannot be written; trying on");
    }
    await delay(failures === 0 ? tickMs : backoffMs(failures, retry), signal).catch(() => undefined);
  }
}

async function followWishes(options: ReporterOptions, signal: AbortSignal): Promise<void> {
  const { client, namespace, cluster, watchMsMax = 120_000, logger } = options;
  let failures = 0;
  let seen = "";
  const take = async (report: InstanceReport): Promise<void> => {
    const text = JSON.stringify(report.spec ?? {});
    if (text === seen) return;
    await options.onWishes(report.spec ?? {}, signal);
    seen = text;
  };
  while (!signal.aborted) {
    try {
      const report = await client.get<InstanceReport>(
        instanceReports,
        { namespace, name: cluster },
        { signal: withDeadline(signal, 10_000) },
      );
      failures = 0;
      if (report === undefined) {
        await delay(10_000, signal);
        continue;
      }
      await take(report);
      const resourceVersion = report.metadata.resourceVersion ?? "";
      // A connection that died without a word looks like a quiet one: after a while another is made.
      const limited = withDeadline(signal, watchMsMax);
      const watch = { namespace, fieldSelector: `metadata.name=${cluster}`, resourceVersion, signal: limited };
      for await (const event of client.watch<InstanceReport>(instanceReports, watch))
        if (event.type === "ADDED" || event.type === "MODIFIED") await take(event.object);
    } catch (error) {
      if (signal.aborted) return;
      if (isKubeError(error, "Expired") || isTimeout(error)) continue;
      if (++failures === 3) logger.warn({ err: error }, "the instance report cannot be watched; trying on");
      await delay(backoffMs(failures, retry), signal).catch(() => undefined);
    }
  }
}

const isTimeout = (error: unknown): boolean => error instanceof Error && error.name === "TimeoutError";
