// What a restore has to know of a backup beforehand, all from one reading of its manifest: the tablespaces that need
// volumes, and whether postgresql.auto.conf can be written by its owner. CNPG takes that right away where ALTER SYSTEM is
// not allowed; pgBackRest restores the file so, and then fails to write its own settings into it. (format:
// src/info/manifest.c of pgBackRest: sections of lines, each a key and a value in JSON)
import { callRepository } from "#repository/pgbackrest/files.ts";
import { backupPath } from "#repository/pgbackrest/layout.ts";
import type { Pgbackrest } from "#repository/pgbackrest/pgbackrest.ts";
import { RestoreError } from "../restore/errors.ts";

export interface BackupManifest {
  readonly tablespaces: readonly Tablespace[];
  readonly isSettingsFileReadOnly: boolean;
}

export interface Tablespace {
  readonly name: string;
  /** Where it was, and where it will be restored. */
  readonly path: string;
}

/** A manifest of a million files takes its time. */
const manifestMs = 10 * 60_000;
/** Of repo-get: the file is not there. */
const missing = 1;

/** Throws StoreError when the repository does not answer, and RestoreError when what it has is no use. */
export async function readManifest(
  pgbackrest: Pgbackrest,
  { label, repository }: { readonly label: string; readonly repository: number },
  signal: AbortSignal,
): Promise<BackupManifest> {
  const reader = createManifestReader();
  const { code } = await callRepository(pgbackrest, repository, "repo-get", {
    options: ["--ignore-missing"],
    parameters: [`${backupPath(pgbackrest.config.stanza, label)}/backup.manifest`],
    answers: [missing],
    deadlineMs: manifestMs,
    onLine: (line) => reader.read(line),
    signal,
  });
  if (code === missing)
    throw new RestoreError("NotUsable", `repository ${repository} holds no backup.manifest of backup ${label}`);
  const manifest = reader.end();
  if (manifest === undefined)
    throw new RestoreError("Corrupt", `backup.manifest of backup ${label} in repository ${repository} cannot be read`);
  return manifest;
}

const settingsFile = "pg_data/postgresql.auto.conf=";

/** Reads it line by line, since it may be larger than memory allows. */
export function createManifestReader(): { read(line: string): void; end(): BackupManifest | undefined } {
  let section = "";
  let preset = "0600";
  let settings: string | undefined;
  let hasData = false;
  let isDamaged = false;
  const tablespaces: Tablespace[] = [];
  const readTarget = (line: string): void => {
    const { "tablespace-name": name, path } = parse(line.slice(line.indexOf("=") + 1));
    if (line.startsWith("pg_data=")) hasData = true;
    if (typeof name === "string" && typeof path === "string") tablespaces.push({ name, path });
    else isDamaged ||= line.startsWith("pg_tblspc/");
  };
  return {
    read: (line) => {
      if (line.startsWith("[")) section = line;
      else if (section === "[backup:target]" && line !== "") readTarget(line);
      else if (section === "[target:file:default]") preset = /^mode="(\d+)"$/.exec(line)?.[1] ?? preset;
      else if (line.startsWith(settingsFile)) settings = line;
    },
    /** Undefined when that was no manifest. */
    end: () =>
      hasData && !isDamaged ? { tablespaces, isSettingsFileReadOnly: isReadOnly(settings, preset) } : undefined,
  };
}

function isReadOnly(file: string | undefined, preset: string): boolean {
  if (file === undefined) return false;
  const mode = /"mode":"(\d+)"/.exec(file)?.[1] ?? preset;
  return (Number.parseInt(mode, 8) & 0o200) === 0;
}

function parse(json: string): Readonly<Record<string, unknown>> {
  try {
    return JSON.parse(json) as Readonly<Record<string, unknown>>;
  } catch {
    return {};
  }
}
