// Which backups a sidecar restores from now, by the reports of all Clusters: whose restores they are, and from which store,
// the reports do not tell, so an equal id is enough.
import type { InstanceReport } from "#api/gen/instance-report.ts";
import type { Informer } from "#kube/informer.ts";

/** A report older than this says nothing about now. */
const reportAgeMaxMs = 120_000;

export const restoringFrom = (reports: Pick<Informer<InstanceReport>, "list">): ReadonlySet<string> =>
  new Set(
    reports
      .list()
      .flatMap(({ status }) => Object.values(status?.instances ?? {}))
      .filter(({ reportedAt }) => Date.now() - Date.parse(reportedAt ?? "") < reportAgeMaxMs)
      .flatMap(({ restore }) => restore?.backupId ?? []),
  );
