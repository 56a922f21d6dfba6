// What the journeys of a Stanza have in common: its repositories as the example has them, rows, backups, and the
// conditions and WAL that they wait for.
import { applyAll, changed, example, exampleOf, type Manifest } from "./manifests.ts";
import { primaryOf, psql, read, until } from "./steps.ts";

export interface ExampleRepository {
  readonly endpoint: string;
  readonly repoPath: string;
}

interface StanzaSpec {
  readonly stanzaConfiguration: { readonly s3Repositories: readonly ExampleRepository[] };
}

export const small = { storage: { size: "1Gi" } };

/** The Stanza of the example and its Secrets. */
export function exampleStanza(folder: string) {
  const stanza = exampleOf("Stanza", "stanza.yaml", folder);
  const secrets = example("stanza.yaml", folder).filter(({ kind }) => kind === "Secret");
  const { stanzaConfiguration } = stanza.spec as unknown as StanzaSpec;
  return {
    name: stanza.metadata.name,
    secrets,
    passphrase: secrets[0]?.stringData?.["ENCRYPTION_PASS"] ?? "",
    repositories: stanzaConfiguration.s3Repositories,
    /** With these repositories, and these fields in place of its own. */
    withRepositories: (some: readonly ExampleRepository[], fields: Readonly<Record<string, unknown>> = {}): Manifest =>
      changed(stanza, stanza.metadata.name, {
        stanzaConfiguration: { ...stanzaConfiguration, ...fields, s3Repositories: some },
      }),
  };
}

/** Of the Cluster "pg" and its Stanza. */
export function stanzaSteps(namespace: string, stanza: string) {
  const object = `stanzas/${stanza}`;
  const field = (of: string, path: string): Promise<string> => read(namespace, of, `{${path}}`);
  const condition = (type: string): Promise<string> =>
    read(namespace, object, `{.status.conditions[?(@.type=="${type}")].status}`);
  const message = (type: string): Promise<string> =>
    read(namespace, object, `{.status.conditions[?(@.type=="${type}")].message}`);
  const lastArchived = (primary: string): Promise<string> =>
    psql(
      namespace,
      primary,
      "SELECT coalesce(substring(last_archived_wal FROM '^[0-9A-F]{24}$'), '') FROM pg_stat_archiver",
    );

  return {
    field,
    condition,
    message,
    lastArchived,
    stanzaField: (path: string): Promise<string> => field(object, path),

    countRows: async (cluster: string): Promise<number> =>
      Number(await psql(namespace, await primaryOf(namespace, cluster), "SELECT count(*) FROM orders")),

    insertRows: async (count: number): Promise<void> => {
      const values = `SELECT 'order ' || i FROM generate_series(1, ${count}) i`;
      await psql(namespace, await primaryOf(namespace, "pg"), `INSERT INTO orders(note) ${values}`);
    },

    backUp: async (name: string, spec: Readonly<Record<string, unknown>> = {}): Promise<void> => {
      const backup = { apiVersion: "holdfast.dev/v1alpha1", kind: "Backup", metadata: { name } };
      await applyAll(namespace, [{ ...backup, spec: { cluster: { name: "pg" }, ...spec } }]);
      await until(`backup ${name} to be completed`, 120_000, async () => {
        const [phase, error] = (
          await read(namespace, `backups.holdfast.dev/${name}`, "{.status.phase}|{.status.error}")
        ).split("|");
        if (phase === "Failed") throw new Error(error);
        return phase === "Completed";
      });
    },

    untilCondition: (type: string, status: string): Promise<unknown> =>
      until(`the Stanza to be ${type}=${status}`, 120_000, async () => (await condition(type)) === status),

    /** Resolves when the segment that is being written now is archived, as PostgreSQL was told; gives its name. */
    archiveAll: async (primary: string): Promise<string> => {
      const segment = await psql(namespace, primary, "SELECT pg_walfile_name(pg_switch_wal())");
      await until(`${segment} to be archived`, 90_000, async () => (await lastArchived(primary)) >= segment);
      return segment;
    },
  };
}
