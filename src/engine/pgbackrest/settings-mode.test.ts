import { describe, expect, it } from "vitest";
import { createModeReader } from "./settings-mode.ts";

const manifest = (file: string, preset = "0600"): string => `[backup]
backup-label="20261126-190405F"

[target:file]
pg_data/PG_VERSION={"checksum":"ad552e6dc057d1d825bf49df79d6b98eba846ebe","mode":"0400","size":3,"timestamp":1795719845}
${file}

[target:file:default]
group="postgres"
mode="${preset}"
user="postgres"

[target:path:default]
mode="0700"
`;

const isReadOnly = (text: string): boolean => {
  const reader = createModeReader();
  for (const line of text.split("\n")) reader.read(line);
  return reader.isReadOnly();
};

describe("a manifest tells that postgresql.auto.conf", () => {
  it.each([
    ["is read-only by its own mode", 'pg_data/postgresql.auto.conf={"mode":"0400","size":88}', "0600", true],
    ["is read-only by default", 'pg_data/postgresql.auto.conf={"size":88}', "0400", true],
    ["can be written by its own mode", 'pg_data/postgresql.auto.conf={"mode":"0600","size":88}', "0400", false],
    ["can be written by default", 'pg_data/postgresql.auto.conf={"size":88}', "0600", false],
    ["is not there", "", "0400", false],
  ])("%s", (_, file, preset, readOnly) => {
    expect(isReadOnly(manifest(file, preset))).toBe(readOnly);
  });
});
