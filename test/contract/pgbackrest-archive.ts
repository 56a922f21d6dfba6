// An archive that pgBackRest fills by hand, and the port over it: every question goes through the product's own way of
// running pgBackRest.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished } from "vitest";
import { readInfo } from "#repository/pgbackrest/info.ts";
import { openPgbackrest, type Pgbackrest } from "#repository/pgbackrest/pgbackrest.ts";
import { openPgbackrestRepository } from "#repository/pgbackrest/repository.ts";
import type { StanzaConfig } from "#repository/pgbackrest/config.ts";
import type { PgbackrestProgram } from "../cluster/pgbackrest.ts";
import type { TestObjects } from "./azure-client.ts";
import { poll, signal } from "./backup-fixture.ts";
import {
  imageProgram,
  type AnyTestStanza,
  type ByHand,
  type ByHandOptions,
  type PgbackrestFixture,
} from "./pgbackrest-fixture.ts";
import { objectsOf } from "./pgbackrest-repositories.ts";
import type { TestArchive } from "./repository.suite.ts";

export async function openStanza(
  config: StanzaConfig,
  program: PgbackrestProgram = imageProgram(),
): Promise<Pgbackrest> {
  const scratch = await mkdtemp(join(tmpdir(), "holdfast-pgbackrest-"));
  onTestFinished(() => rm(scratch, { recursive: true, force: true }));
  return await openPgbackrest(config, { scratch, program: program.program });
}

/** The shortest time in which pgBackRest comes to say why a repository does not answer. */
export const soon = { infoDeadlineMs: 12_000, listDeadlineMs: 12_000 } as const;

export const keysUnder = async (store: TestObjects, prefix: string): Promise<readonly string[]> =>
  (await Array.fromAsync(store.list(prefix, { signal }))).flatMap((entry) =>
    entry.kind === "object" ? [entry.key] : [],
  );

export interface OpenedArchive extends TestArchive {
  readonly hand: ByHand;
  readonly stanza: AnyTestStanza;
  /** Objects of the first repository. */
  readonly store: TestObjects;
  readonly pgbackrest: Pgbackrest;
}

export async function openArchive(
  fixture: PgbackrestFixture,
  { program = imageProgram(), stanza = fixture.newStanza(), ...options }: Partial<ByHandOptions> = {},
): Promise<OpenedArchive> {
  const hand = await fixture.byHand({ program, stanza, ...options });
  const store = await objectsOf(stanza.repositories[0]!);
  onTestFinished(() => store.close());
  // These tests may run as root, which pgBackRest refuses from 2.59 on.
  const config = fixture.stanzaConfig(stanza, { variables: { PGBACKREST_ALLOW_ROOT: "y" } });
  const { primary } = fixture;
  const server = stanza.name;
  const pgbackrest = await openStanza(config, program);
  const waiting = "SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'";
  const allArchived = () => poll(async () => (await primary.value(waiting)) === "0");
  return {
    hand,
    stanza,
    store,
    pgbackrest,
    repository: openPgbackrestRepository(pgbackrest),
    server,
    primary,
    begin: async () => {
      await hand.run("stanza-create");
      await fixture.archiveWith(hand.archiveCommand);
    },
    backup: async () => {
      await hand.run("backup", "--type=full");
      await allArchived();
      return (await readInfo(pgbackrest, { signal, deadlineMs: 30_000 })).backups.at(-1)!.label;
    },
    archiveAll: async () => {
      await primary.value("SELECT pg_walfile_name(pg_switch_wal())");
      await allArchived();
    },
    putHistory: async (timeline, content) => {
      const name = `${timeline.toString(16).toUpperCase().padStart(8, "0")}.history`;
      const [archiveInfo] = await keysUnder(store, `archive/${server}/archive.info`);
      expect(archiveInfo).toBeDefined();
      await store.put(`archive/${server}/15-1/${name}`, Buffer.from(content), { signal });
    },
    loseSegment: async (name) => {
      const keys = await keysUnder(store, `archive/${server}/15-1/${name.slice(0, 16)}/${name}-`);
      expect(keys).toHaveLength(1);
      await store.delete(keys, { signal });
    },
    loseData: async (id) => {
      const keys = await keysUnder(store, `backup/${server}/${id}/`);
      await store.delete(
        keys.filter((key) => !key.includes("backup.manifest")),
        { signal },
      );
    },
    spoilMetadata: async (id) => {
      for (const copy of ["", ".copy"])
        await store.put(`backup/${server}/${id}/backup.manifest${copy}`, Buffer.from("[backrest]\n"), { signal });
    },
    unreachable: async () => {
      const repositories = config.repositories.map((repository) => ({
        ...repository,
        endpoint: "https://127.0.0.1:1",
      }));
      return openPgbackrestRepository(await openStanza({ ...config, repositories }, program), soon);
    },
  };
}
