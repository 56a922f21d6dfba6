import { openBarmanRepository } from "#repository/barman/repository.ts";
import { openStore } from "#store/open.ts";
import { signal, useBackups } from "./backup-fixture.ts";
import { repositorySuite } from "./repository.suite.ts";

const fixture = useBackups();
const server = "pg";

repositorySuite("barman's layout", async () => {
  const { store, repository, primary } = fixture;
  const remove = (key: string): Promise<void> => store.delete([key], { signal });
  const put = (key: string, content: string): Promise<unknown> => store.put(key, Buffer.from(content), { signal });
  return {
    repository,
    server,
    primary,
    begin: () => Promise.resolve(),
    backup: async () => (await fixture.backup(primary)).id,
    archiveAll: () => fixture.archiveAll(),
    putHistory: async (timeline, content) => {
      await put(`${server}/wals/${timeline.toString(16).toUpperCase().padStart(8, "0")}.history`, content);
    },
    loseSegment: (name) => remove(`${server}/wals/${name.slice(0, 16)}/${name}`),
    loseData: (id) => remove(`${server}/base/${id}/data.tar`),
    spoilMetadata: async (id) => {
      await put(`${server}/base/${id}/backup.info`, "backup_label=None\nbegin_time=[");
    },
    unreachable: async () => {
      const config = fixture.minio.config({ endpoint: "http://127.0.0.1:1" });
      return openBarmanRepository(
        await openStore(config, { policy: { attempts: 2, firstMs: 1, maxMs: 2, totalMs: 500 } }),
      );
    },
  };
});
