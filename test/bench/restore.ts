// Restores of a base backup beside barman-cloud-restore: the same backup from the same MinIO into an empty directory. Ours
// also looks up the WAL and flushes every file to the disk, which barman's does not.
import { rm } from "node:fs/promises";
import { alternate, compressions, labels, withBackupBench, type Label } from "./backup-fixture.ts";

/** Options: --scale N (40), --runs N (3), --jobs N (2). */
export const run = (options: readonly string[]): Promise<object> =>
  withBackupBench(options, async (bench) => {
    const { connection, pgdata } = bench.primary;
    const ids = new Map<Label, string>();
    for (const label of labels) {
      const backup = { connection, compression: compressions[label] };
      const { id } = await bench.archiving(label, () => bench.ours({ server: label, pgdata, backup }));
      ids.set(label, id);
    }
    const into = async <T>(work: (target: string) => Promise<T>): Promise<T> => {
      const target = bench.cluster.newPath("target");
      try {
        return await work(target);
      } finally {
        await rm(target, { recursive: true, force: true });
      }
    };
    return await alternate(bench, {
      theirs: (label) =>
        into((target) => bench.barman("barman-cloud-restore", [], label, ids.get(label) ?? "", target)),
      ours: (label) =>
        into((target) => bench.ours({ server: label, pgdata: target, restore: { id: ids.get(label) ?? "" } })),
    });
  });
