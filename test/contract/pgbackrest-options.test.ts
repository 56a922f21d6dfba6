// Which values of customEnvVar are accepted is what pgBackRest itself accepts: a value that its parser refuses would end
// every command of a Stanza, archiving with it.
import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { variableProblems } from "#repository/pgbackrest/variables.ts";
import { pgbackrestPrograms } from "../cluster/pgbackrest.ts";

/** The exit codes of its parser: an option that is unknown, of a wrong value, or not for the command. */
const parserCodes = [27, 28, 29, 30, 31, 32, 37, 38];

const given: readonly (readonly [name: string, value: string])[] = [
  ...["1", "100ms", "99ms", "0", "90s", "1h", "2h", "5m", "61m", "soon"].map((each) => ["IO_TIMEOUT", each] as const),
  ...["7d", "8d", "1w", "2w", "604801"].map((each) => ["DB_TIMEOUT", each] as const),
  ...["16KiB", "1MiB", "3MiB", "4096KB", "2m", "32MiB", "16384", "1"].map((each) => ["BUFFER_SIZE", each] as const),
  ...["0", "1", "32", "33", "-1", "1.5"].map((each) => ["TCP_KEEP_ALIVE_COUNT", each] as const),
  ...["-5", "12", "13", "99"].map((each) => ["COMPRESS_LEVEL_NETWORK", each] as const),
  ...["1B", "1TiB", "2TiB", "0"].map((each) => ["MANIFEST_SAVE_THRESHOLD", each] as const),
  ...["y", "n", "true", "yes"].map((each) => ["RESUME", each] as const),
  ...["1MiB", "512KiB", "20m", "1PiB", "2PiB"].map((each) => ["REPO1_BUNDLE_SIZE", each] as const),
  ...["64KiB", "63KiB", "8MiB"].map((each) => ["REPO1_STORAGE_UPLOAD_CHUNK_SIZE", each] as const),
];

const repository = {
  PGBACKREST_CONFIG: "/dev/null",
  PGBACKREST_STANZA: "main",
  PGBACKREST_PG1_PATH: "/dev/null/none",
  PGBACKREST_LOCK_PATH: "/dev/null/none",
  PGBACKREST_LOG_LEVEL_FILE: "off",
  PGBACKREST_REPO1_TYPE: "s3",
  PGBACKREST_REPO1_PATH: "/pg",
  PGBACKREST_REPO1_BUNDLE: "y",
  PGBACKREST_REPO1_S3_BUCKET: "b",
  PGBACKREST_REPO1_S3_ENDPOINT: "127.0.0.1:1",
  PGBACKREST_REPO1_S3_REGION: "r",
  PGBACKREST_REPO1_S3_KEY: "k",
  PGBACKREST_REPO1_S3_KEY_SECRET: "s",
};

const ofImage = pgbackrestPrograms().find(({ version }) => version.startsWith("2.55"));

describe(`pgbackrest ${ofImage?.version} and admission`, () => {
  it.each(given)("judge %s=%s alike", (name, value) => {
    const variable = { [`PGBACKREST_${name}`]: value };
    const { status } = spawnSync(ofImage?.program ?? "", ["backup"], {
      env: { ...repository, ...variable },
      timeout: 20_000,
    });
    // Past its parser it fails for want of a place for its locks.
    expect([...parserCodes, 50]).toContain(status);
    expect(variableProblems(variable, { s3: 1, azure: 0 })).toHaveLength(parserCodes.includes(status ?? -1) ? 1 : 0);
  });
});
