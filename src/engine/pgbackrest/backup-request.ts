// What spec.pluginConfiguration.parameters of a CNPG Backup may ask of a Stanza. A misspelt parameter must not give a backup
// of another kind, or in another repository, with a green mark on it. Pure.
import type { BackupType } from "#repository/pgbackrest/info.ts";
import { nearest } from "#std/nearest.ts";

export interface BackupRequest {
  /** Absent: chosen from what the repository holds. */
  readonly type?: BackupType;
  /** pgBackRest's number of the repository. */
  readonly repository: number;
}

export type ParsedRequest =
  | { readonly kind: "request"; readonly request: BackupRequest }
  | { readonly kind: "invalid"; readonly message: string };

const types = ["full", "diff", "incr"] as const;
/** `backupType`: the name of it in the plugin that Holdfast takes over from. */
const known = ["type", "backupType", "selectedRepository"] as const;

/** `repositories`: the numbers of those that the Stanza has; the first is the default. */
export function parseBackupRequest(
  parameters: Readonly<Record<string, string>>,
  repositories: readonly number[],
): ParsedRequest {
  const unknown = Object.keys(parameters).find((name) => !known.some((one) => one === name));
  if (unknown !== undefined) {
    const meant = nearest(unknown, known);
    const hint = meant === undefined ? "" : `; did you mean ${meant}?`;
    return invalid(unknown, `unknown parameter; known are ${known.join(", ")}${hint}`);
  }
  const [type, backupType] = [parameters["type"], parameters["backupType"]];
  if (type !== undefined && backupType !== undefined && type !== backupType)
    return invalid("backupType", `type is ${type}, backupType is ${backupType}; give one of them`);
  const asked = type ?? backupType;
  const found = types.find((one) => one === asked);
  if (asked !== undefined && found === undefined)
    return invalid(type === undefined ? "backupType" : "type", `${asked} is none of ${types.join(", ")}`);
  const selected = parameters["selectedRepository"] ?? String(repositories[0] ?? 1);
  const repository = repositories.find((key) => String(key) === selected);
  if (repository === undefined) {
    const message = `the Stanza has no repository ${selected}; it has ${repositories.join(", ")}`;
    return invalid("selectedRepository", message);
  }
  return { kind: "request", request: { repository, ...(found !== undefined && { type: found }) } };
}

const invalid = (name: string, message: string): ParsedRequest => ({
  kind: "invalid",
  message: `pluginConfiguration.parameters.${name}: ${message}`,
});
