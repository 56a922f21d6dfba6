// Base backups both ways with barman-cloud's own programs, on a real S3 server: each reads, shows and restores what the
// other wrote.
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it, onTestFinished } from "vitest";
import { barmanPrograms } from "../cluster/barman.ts";
import { signalRecovery } from "./backup-cluster.ts";
import { useBackups } from "./backup-fixture.ts";
import { minioRegion } from "./minio.ts";

const execute = promisify(execFile);
const fixture = useBackups();

/** The tables of pgbench -s 2. */
const rows = "200000";

async function barman(program: string, ...args: readonly string[]): Promise<string> {
  const { config, minio, primary } = fixture;
  const { credentials, bucket, prefix } = config;
  if (credentials.kind !== "keys") throw new Error("the test store has keys");
  const place = ["--endpoint-url", minio.endpoint, `s3://${bucket}/${prefix}`.replace(/\/$/, ""), "pg"];
  const positional = args.filter((arg) => !arg.startsWith("--"));
  const flags = args.filter((arg) => arg.startsWith("--"));
  const { stdout } = await execute(join(barmanPrograms(), program), [...flags, ...place, ...positional], {
    env: {
      ...process.env,
      AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      AWS_DEFAULT_REGION: minioRegion,
      PGHOST: primary.connection.host,
      PGPORT: String(primary.connection.port),
      PGUSER: "postgres",
    },
  });
  return stdout;
}

/** Starts a restored directory, which replays the archive, and counts. */
async function rowsIn(pgdata: string): Promise<string> {
  await signalRecovery(pgdata, "recovery");
  const settings = { recovery_target: "immediate", recovery_target_action: "promote", archive_mode: "off" };
  const server = await fixture.cluster.start(pgdata, settings);
  onTestFinished(() => server.stop());
  return await server.value("SELECT count(*) FROM public.pgbench_accounts");
}

describe("a backup of ours", () => {
  it("is listed and shown by barman", async () => {
    const outcome = await fixture.backup(fixture.primary, { name: "nightly" });
    const {
      backups_list: [listed],
    } = JSON.parse(await barman("barman-cloud-backup-list", "--format=json"));
    expect(listed).toMatchObject({
      backup_id: outcome.id,
      backup_name: "nightly",
      status: "DONE",
      begin_wal: outcome.beginWal,
      end_wal: outcome.endWal,
    });
    const { cloud: shown } = JSON.parse(await barman("barman-cloud-backup-show", "--format=json", "nightly"));
    expect(shown).toMatchObject({
      backup_id: outcome.id,
      status: "DONE",
      timeline: 1,
      systemid: outcome.systemId,
      version: outcome.postgresVersion,
      end_time_iso: expect.stringContaining(outcome.stoppedAt.toISOString().slice(0, 19)),
      error: null,
      tablespaces: null,
    });
  });

  it.each([
    ["none", {}],
    ["gzip", { compression: "gzip" }],
    ["several archives", { maxArchiveBytes: 15_000_000 }],
  ])("is restored by barman, %s", async (_, over) => {
    const outcome = await fixture.backup(fixture.primary, over);
    const pgdata = fixture.cluster.newPath("by-barman");
    await barman("barman-cloud-restore", outcome.id, pgdata);
    expect(await rowsIn(pgdata)).toBe(rows);
  });

  it("that failed is listed as failed", async () => {
    await expect(fixture.backup(fixture.primary, { walDeadlineMs: 1 })).rejects.toMatchObject({ kind: "WalMissing" });
    const { backups_list: listed } = JSON.parse(await barman("barman-cloud-backup-list", "--format=json"));
    expect(listed).toMatchObject([{ status: "FAILED", error: expect.stringContaining("did not reach the archive") }]);
  });
});

describe("a backup of barman's", () => {
  it.each([
    ["none", []],
    ["gzip", ["--gzip"]],
  ])("is restored by us, compression %s", async (_, flags) => {
    await barman("barman-cloud-backup", "--immediate-checkpoint", ...flags);
    const [backup] = await fixture.records();
    const pgdata = fixture.cluster.newPath("by-us");
    await fixture.restore(backup!.id, pgdata);
    expect(await rowsIn(pgdata)).toBe(rows);
  });

  it("in a compression that we cannot read is refused by name", async () => {
    await barman("barman-cloud-backup", "--immediate-checkpoint", "--bzip2");
    const [backup] = await fixture.records();
    const restore = fixture.restore(backup!.id, fixture.cluster.newPath("refused"));
    await expect(restore).rejects.toMatchObject({ kind: "Unsupported", message: expect.stringContaining("bzip2") });
  });
});
