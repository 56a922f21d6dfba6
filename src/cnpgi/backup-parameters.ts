// What spec.pluginConfiguration.parameters of a CNPG Backup may say. A misspelt or foreign parameter must not give a backup
// of another kind, or in the wrong place, with a green mark on it. Pure.
import { RpcError } from "./status-code.ts";

/** Both names of the kind of backup; the layout of an ObjectStore has full ones only. */
const kinds: ReadonlySet<string> = new Set(["type", "backupType"]);

/** Throws RpcError INVALID_ARGUMENT for the first that is not known. */
export function refuseParameters(parameters: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(parameters)) {
    const path = `pluginConfiguration.parameters.${name}`;
    if (!kinds.has(name))
      throw new RpcError("INVALID_ARGUMENT", `${path}: unknown parameter; known are type, backupType`);
    if (value !== "full")
      throw new RpcError(
        "INVALID_ARGUMENT",
        `${path}: an ObjectStore holds full backups only, not ${value}; write full`,
      );
  }
}
