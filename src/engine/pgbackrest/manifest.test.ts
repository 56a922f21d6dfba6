import { describe, expect, it } from "vitest";
import { createManifestReader, type BackupManifest } from "./manifest.ts";

const data = 'pg_data={"path":"/var/lib/postgresql/data/pgdata","type":"path"}';
const fast = "/var/lib/postgresql/tablespaces/fast/data";

interface Written {
  readonly targets?: readonly string[];
  readonly file?: string;
  readonly preset?: string;
}

const manifest = ({ targets = [data], file = "", preset = "0600" }: Written): string => `[backup]
backup-label="20261126-190405F"

[backup:target]
${targets.join("\n")}

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

const read = (text: string): BackupManifest | undefined => {
  const reader = createManifestReader();
  for (const line of text.split("\n")) reader.read(line);
  return reader.end();
};

describe("a manifest tells that postgresql.auto.conf", () => {
  it.each([
    ["is read-only by its own mode", 'pg_data/postgresql.auto.conf={"mode":"0400","size":88}', "0600", true],
    ["is read-only by default", 'pg_data/postgresql.auto.conf={"size":88}', "0400", true],
    ["can be written by its own mode", 'pg_data/postgresql.auto.conf={"mode":"0600","size":88}', "0400", false],
    ["can be written by default", 'pg_data/postgresql.auto.conf={"size":88}', "0600", false],
    ["is not there", "", "0400", false],
  ])("%s", (_, file, preset, readOnly) => {
    expect(read(manifest({ file, preset }))).toEqual({ tablespaces: [], isSettingsFileReadOnly: readOnly });
  });
});

describe("a manifest tells the tablespaces", () => {
  it("and takes no other link for one", () => {
    const targets = [
      data,
      'pg_data/pg_wal={"path":"/var/lib/postgresql/wal/pg_wal","type":"link"}',
      `pg_tblspc/16384={"path":"${fast}","tablespace-id":"16384","tablespace-name":"fast","type":"link"}`,
    ];
    expect(read(manifest({ targets }))?.tablespaces).toEqual([{ name: "fast", path: fast }]);
  });

  it("or is not taken for one without any", () => {
    for (const text of ["", "P00   WARN: nothing", manifest({ targets: [data, "pg_tblspc/16384={"] })])
      expect(read(text)).toBeUndefined();
  });
});
