// Base backups beside barman-cloud-backup: the same database to the same MinIO with as many jobs, both ending when the
// WAL of the backup is archived.
import { alternate, compressions, withBackupBench, type Label } from "./backup-fixture.ts";

/** Options: --scale N (40), --runs N (3), --jobs N (2). */
export const run = (options: readonly string[]): Promise<object> =>
  withBackupBench(options, async (bench) => {
    const { connection, pgdata } = bench.primary;
    const flags = (label: Label): readonly string[] => (label === "plain" ? [] : [`--${label}`]);
    return await alternate(bench, {
      theirs: async (label, run) => {
        const server = `barman-${label}-${run}`;
        const options = ["--immediate-checkpoint", `--jobs=${bench.jobs}`, ...flags(label)];
        const seconds = await bench.barman("barman-cloud-backup", options, server);
        await bench.forget(server);
        return seconds;
      },
      ours: async (label, run) => {
        const server = `holdfast-${label}-${run}`;
        const backup = { connection, compression: compressions[label] };
        const measured = await bench.archiving(server, () => bench.ours({ server, pgdata, backup }));
        await bench.forget(server);
        return measured;
      },
    });
  });
