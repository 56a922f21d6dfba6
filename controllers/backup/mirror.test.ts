import { pino } from "pino";
import { describe, expect, it } from "vitest";
import type { Backup } from "#api/gen/backup.ts";
import type { KubeClient } from "#kube/client.ts";
import { KubeError } from "#kube/errors.ts";
import { mirrorReconcile, type MirrorDeps } from "./mirror.ts";

const cnpg = {
  metadata: { name: "theirs", namespace: "db", uid: "u", labels: { "cnpg.io/cluster": "pg" } },
  spec: { cluster: { name: "pg" }, method: "plugin", pluginConfiguration: { name: "holdfast.dev" } },
  status: { phase: "completed", backupId: "A", pluginMetadata: { systemID: "7" } },
};

/** A cluster whose API holds these Backups, and whose cache shows `cached` of them. */
async function mirrored(
  held: readonly Backup[],
  cached: readonly Backup[] = held,
  theirs: object = cnpg,
): Promise<readonly string[]> {
  const made: string[] = [];
  const client: Pick<KubeClient, "create" | "get"> = {
    create: async (_, object) => {
      if (held.some(({ metadata }) => metadata.name === object.metadata.name))
        throw new KubeError("AlreadyExists", "taken");
      made.push(object.metadata.name);
      return object;
    },
    get: async <T>(_: unknown, { name }: { readonly name: string }) =>
      held.find(({ metadata }) => metadata.name === name) as T | undefined,
  };
  const backups: Pick<MirrorDeps["backups"], "list" | "byIndex"> = {
    list: () => cached,
    byIndex: () => cached.filter(({ metadata }) => metadata.labels?.["holdfast.dev/cnpg-backup"] === "theirs"),
  };
  const deps = { client, backups, cnpgBackups: { get: () => theirs } } as unknown as MirrorDeps;
  const signal = AbortSignal.timeout(5_000);
  await mirrorReconcile(deps)({ namespace: "db", name: "theirs" }, signal, pino({ level: "silent" }));
  return made;
}

const backup = (
  name: string,
  changes: Partial<Backup> = {},
  labels: Readonly<Record<string, string>> = {},
): Backup => ({
  metadata: { name, namespace: "db", labels },
  spec: { cluster: { name: "pg" } },
  ...changes,
});

describe("a CNPG Backup that someone else made", () => {
  it("gets a record of its own name, or one with digits where a stranger has that", async () => {
    expect(await mirrored([])).toEqual(["theirs"]);
    expect(await mirrored([backup("theirs")])).toEqual([expect.stringMatching(/^theirs-[0-9a-f]{5}$/)]);
  });

  it("gets none when its name is too long for a label: what it stores gets one from there", async () => {
    const long = { ...cnpg, metadata: { ...cnpg.metadata, name: `${"t".repeat(50)}-20261126020000` } };
    expect(await mirrored([], [], long)).toEqual([]);
  });

  it("gets no second one while the cache does not show the first yet", async () => {
    expect(await mirrored([backup("theirs", {}, { "holdfast.dev/cnpg-backup": "theirs" })], [])).toEqual([]);
  });

  it("gets none beside the record that the store's catalog brought, whatever its name", async () => {
    const repository = { kind: "ObjectStore", name: "minio", serverName: "pg" } as const;
    const found = backup("pg-a", { spec: { repository, backupId: "A" }, status: { systemID: "7" } });
    expect(await mirrored([found])).toEqual([]);
    const other = backup("pg-a", { spec: { repository, backupId: "A" }, status: { systemID: "8" } });
    expect(await mirrored([other])).toEqual(["theirs"]);
    const sameName = { ...found, metadata: { ...found.metadata, name: "theirs" } };
    expect(await mirrored([sameName], [])).toEqual([]);
  });
});
