// Which backups a sidecar restores from now, by the reports of all Clusters: whose restores they are, and from which store,
// the reports do not tell, so an equal id is enough.
import type { InstanceReport } from "#api/gen/instance-report.ts";
import type { Informer } from "#kube/informer.ts";
import { entriesOf, isCurrent } from "../instance-report.ts";

export function restoringFrom(reports: Pick<Informer<InstanceReport>, "list">): ReadonlySet<string> {
  const now = new Date();
  const entries = reports.list().flatMap(entriesOf);
  return new Set(entries.flatMap(([, entry]) => (isCurrent(entry, now) ? (entry.restore?.backupId ?? []) : [])));
}
