// What a CNPG Backup or ScheduledBackup by this plugin asks for, by where the Cluster's backups go. Pure. Of what a
// controller makes nothing is refused: its author is not there to read it, and a Backup that fails is seen where one that
// was never made is not.
import { labels } from "#api/names.ts";
import type { Backup } from "#cnpg/backup.ts";
import { pluginName } from "#cnpg/plugin-config.ts";
import { storeParameterProblems } from "#engine/backup/parameters.ts";
import { stanzaParameterProblems } from "#engine/pgbackrest/backup-request.ts";
import type { KubeObject } from "#kube/object.ts";
import { describeFinding } from "../review.ts";
import type { Finding, Judgement } from "../judgement.ts";
import type { Destination } from "./destination.ts";

export interface CnpgBackupSubject {
  /** Of either kind: what is judged stands in the same fields. */
  readonly spec: Backup["spec"];
  /** As it is stored; absent when it is new. */
  readonly old?: Backup["spec"] | undefined;
  readonly metadata: KubeObject["metadata"];
  /** Of its Cluster; undefined when it is not known. */
  readonly destination: Destination | undefined;
}

const scheduledLabel = "cnpg.io/scheduled-backup";

export function judgeCnpgBackup({ spec, old, metadata, destination }: CnpgBackupSubject): Judgement {
  const problems = problemsOf(spec, destination);
  const before = new Set(old === undefined ? [] : problemsOf(old, destination).map(describeFinding));
  const [stays, added] = [true, false].map((is) => problems.filter((each) => before.has(describeFinding(each)) === is));
  if (isMadeByController(metadata)) return { problems: [], warnings: problems.map(describeFinding) };
  return { problems: added ?? [], warnings: (stays ?? []).map(describeFinding) };
}

function problemsOf({ method, plugin }: Backup["spec"], destination: Destination | undefined): readonly Finding[] {
  if (method !== "plugin" || plugin?.name !== pluginName || destination === undefined) return [];
  const { kind, name, repositories } = destination;
  const numbers =
    repositories === undefined ? undefined : Array.from({ length: repositories }, (_, index) => index + 1);
  const found =
    kind === "ObjectStore"
      ? storeParameterProblems(plugin.parameters)
      : stanzaParameterProblems(plugin.parameters, numbers);
  return found.map(({ parameter, message, hint }) => ({
    field: `spec.pluginConfiguration.parameters.${parameter}`,
    message: `${message}; the Cluster's backups go to ${kind} ${name}`,
    hint,
  }));
}

const isMadeByController = ({ labels: own = {}, ownerReferences = [] }: KubeObject["metadata"]): boolean =>
  own[labels.backup] !== undefined ||
  own[scheduledLabel] !== undefined ||
  ownerReferences.some(({ controller }) => controller === true);
