// An outage while the backups are listed: whatever it looks like, nothing is concluded from it, and nothing is deleted.
import { describe, expect, it } from "vitest";
import { catalogByRepository } from "./catalog.ts";
import type { StanzaConfig } from "./config.ts";
import { PgbackrestError } from "./errors.ts";
import { expireRepository } from "./expire.ts";
import { readInfo } from "./info.ts";
import { isTrusted } from "./repository-state.ts";
import { openPgbackrestRepository } from "./repository.ts";
import type { Pgbackrest } from "./pgbackrest.ts";

const signal = new AbortController().signal;
const id = "20261121-000000F";
const config = {
  stanza: "main",
  repositories: [1, 2].map((key) => ({
    key,
    type: "s3",
    path: `/${key}`,
    bucket: "b",
    endpoint: "e",
    region: "r",
    verifyTls: true,
    retention: { full: 1 },
  })),
  credentials: { kind: "repositories", each: [{}, {}] },
  variables: {},
} as unknown as StanzaConfig;

const backup = (label: string, key: number) => ({ label, type: "full", database: { id: 1, "repo-key": key } });
const answerOf = (key: number, status: object, labels: readonly string[]): string =>
  JSON.stringify([
    {
      name: "main",
      archive: [],
      backup: labels.map((label) => backup(label, key)),
      db: [{ id: 1, "repo-key": key, "system-id": 7, version: "15" }],
      repo: [{ key, cipher: "none", status }],
      status,
    },
  ]);
const whole = (key: number): string => answerOf(key, { code: 0, message: "ok" }, [id, "20261122-000000F"]);

/** What the second repository's listing is like; the first one is there. */
const outages: Readonly<Record<string, () => string>> = {
  "code 99 in a process that ends well": () =>
    answerOf(2, { code: 99, message: "[HostConnectError] unable to connect to 'minio:9000'" }, []),
  "code 99 beside backups": () => answerOf(2, { code: 99, message: "[ServiceError] 503" }, [id]),
  "a cut answer": () => whole(2).slice(0, -20),
  "an answer that is cut between two backups": () => whole(2).slice(0, whole(2).indexOf(id) + 20),
  "no answer at all": () => "",
  "an answer without this stanza": () => "[]",
  "an answer without this repository": () => whole(3),
  "a killed process": () => {
    throw new PgbackrestError("Failed", "pgbackrest info was ended by SIGKILL");
  },
  "a process that was not through in time": () => {
    throw new PgbackrestError("Timeout", "pgbackrest info was not through within 30 s");
  },
};

function repositoryWith(outage: () => string) {
  const changes: string[] = [];
  const run: Pgbackrest["run"] = async (command, { repository = 1 }) => {
    if (command !== "info") changes.push(command);
    return { code: 0, stdout: repository === 1 ? whole(1) : outage() };
  };
  const pgbackrest = { config, run } as unknown as Pgbackrest;
  return { pgbackrest, changes, repository: openPgbackrestRepository(pgbackrest) };
}

describe.each(Object.entries(outages))("%s", (_, outage) => {
  it("is no listing that anything is concluded from", async () => {
    const { pgbackrest, repository } = repositoryWith(outage);
    const { repositories } = await readInfo(pgbackrest, { signal, deadlineMs: 1_000 });
    expect(repositories.map(({ key, state }) => [key, isTrusted(state)])).toEqual([
      [1, true],
      [2, false],
    ]);
    const [one, two] = catalogByRepository(await repository.info({ signal }));
    expect(one?.catalog?.backups).toHaveLength(2);
    expect(two).not.toHaveProperty("catalog");
    await expect(repository.catalog("main", { signal })).rejects.toMatchObject({ name: "StoreError" });
  });

  it("lets retention remove nothing", async () => {
    const { pgbackrest, changes } = repositoryWith(outage);
    expect(await expireRepository(pgbackrest, { repository: 2, mode: "Enforce", signal })).toMatchObject({
      kind: "skipped",
      reason: "NotTrusted",
    });
    expect(changes).toEqual([]);
  });

  it("lets no backup be deleted, also not where it can be seen", async () => {
    const { changes, repository } = repositoryWith(outage);
    await expect(repository.removeBackup("main", id, { signal })).rejects.toMatchObject({ name: "StoreError" });
    await expect(repository.holds("main", id, { signal })).rejects.toThrow();
    expect(changes).toEqual([]);
  });
});
