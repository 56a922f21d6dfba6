// The slice of CloudNativePG's Backup that this product reads. CNPG's own pod writes its status. Pure.
import { fieldsOf, flagOf, isObject, objectOf, textOf, textsOf, type Fields, type NamespacedMeta } from "./json.ts";

export interface BackupSpec {
  /** Name of the Cluster, in the Backup's namespace. */
  readonly cluster: string;
  /** barmanObjectStore | volumeSnapshot | plugin. */
  readonly method: string;
  /** Present with method "plugin". */
  readonly plugin: { readonly name: string; readonly parameters: Readonly<Record<string, string>> } | undefined;
  /** primary | prefer-standby; absent means what the Cluster says. */
  readonly target: string | undefined;
}

/** Times are RFC 3339. Absent fields have not been written, or not yet. */
export interface BackupStatus {
  /** Empty for a new Backup. */
  readonly phase: string;
  readonly error: string | undefined;
  readonly backupId: string | undefined;
  readonly backupName: string | undefined;
  readonly startedAt: string | undefined;
  readonly stoppedAt: string | undefined;
  readonly beginWal: string | undefined;
  readonly endWal: string | undefined;
  readonly beginLSN: string | undefined;
  readonly endLSN: string | undefined;
  readonly online: boolean | undefined;
  /** The pod whose instance manager runs or ran the backup. */
  readonly instance: string | undefined;
  readonly pluginMetadata: Readonly<Record<string, string>>;
}

export interface Backup {
  readonly metadata: NamespacedMeta;
  readonly spec: BackupSpec;
  readonly status: BackupStatus;
}

/** Reads a Backup from its JSON text or from parsed JSON, as leniently as decodeCluster. */
export function decodeBackup(source: unknown): Backup {
  const object = objectOf("Backup", source);
  return {
    metadata: object.metadata,
    spec: decodeSpec(fieldsOf(object["spec"])),
    status: decodeStatus(fieldsOf(object["status"])),
  };
}

function decodeSpec(spec: Fields): BackupSpec {
  const plugin = fieldsOf(spec["pluginConfiguration"]);
  return {
    cluster: textOf(fieldsOf(spec["cluster"])["name"]) ?? "",
    method: textOf(spec["method"]) ?? "barmanObjectStore",
    plugin: isObject(spec["pluginConfiguration"])
      ? { name: textOf(plugin["name"]) ?? "", parameters: textsOf(plugin["parameters"]) }
      : undefined,
    target: textOf(spec["target"]),
  };
}

const decodeStatus = (status: Fields): BackupStatus => ({
  phase: textOf(status["phase"]) ?? "",
  error: textOf(status["error"]),
  backupId: textOf(status["backupId"]),
  backupName: textOf(status["backupName"]),
  startedAt: textOf(status["startedAt"]),
  stoppedAt: textOf(status["stoppedAt"]),
  beginWal: textOf(status["beginWal"]),
  endWal: textOf(status["endWal"]),
  beginLSN: textOf(status["beginLSN"]),
  endLSN: textOf(status["endLSN"]),
  online: flagOf(status["online"]),
  instance: textOf(fieldsOf(status["instanceID"])["podName"]),
  pluginMetadata: textsOf(status["pluginMetadata"]),
});

/** Whether CNPG will do no more for this Backup. */
export const isFinished = ({ status }: Backup): boolean => status.phase === "completed" || status.phase === "failed";
