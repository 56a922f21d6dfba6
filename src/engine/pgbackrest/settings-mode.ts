// Whether a backup's postgresql.auto.conf can be written by its owner. CNPG takes that right away where ALTER SYSTEM is not
// allowed; pgBackRest restores the file so, and then fails to write its own settings into it. The manifest tells (format:
// src/info/manifest.c of pgBackRest): one line for each file, with what differs from the defaults of the section
// [target:file:default].
import { manifestPath } from "#repository/pgbackrest/layout.ts";
import type { Pgbackrest } from "#repository/pgbackrest/pgbackrest.ts";

/** A manifest of a million files takes its time. */
const manifestMs = 10 * 60_000;
const name = "pg_data/postgresql.auto.conf=";

/** Throws PgbackrestError. */
export async function isSettingsFileReadOnly(
  pgbackrest: Pgbackrest,
  { label, repository }: { readonly label: string; readonly repository: number },
  signal: AbortSignal,
): Promise<boolean> {
  const modes = createModeReader();
  await pgbackrest.run("repo-get", {
    options: ["--log-level-console=off"],
    parameters: [manifestPath(pgbackrest.config.stanza, label)],
    repository,
    deadlineMs: manifestMs,
    onLine: (line) => modes.read(line),
    signal,
  });
  return modes.isReadOnly();
}

/** Reads a manifest line by line, since it may be larger than memory allows. */
export function createModeReader(): { read(line: string): void; isReadOnly(): boolean } {
  let section = "";
  let preset = "0600";
  let file: string | undefined;
  return {
    read: (line) => {
      if (line.startsWith("[")) section = line;
      else if (section === "[target:file:default]") preset = /^mode="(\d+)"$/.exec(line)?.[1] ?? preset;
      else if (line.startsWith(name)) file = line;
    },
    isReadOnly: () => {
      if (file === undefined) return false;
      const mode = /"mode":"(\d+)"/.exec(file)?.[1] ?? preset;
      return (Number.parseInt(mode, 8) & 0o200) === 0;
    },
  };
}
