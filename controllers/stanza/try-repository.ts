// The preflight of a Stanza's repository. In S3 the same steps as for an ObjectStore, with the repository's endpoint, trust and
// keys; in Azure by pgBackRest alone.
import type { Stanza } from "#api/gen/stanza.ts";
import type { RepositoryConfig } from "#repository/pgbackrest/config.ts";
import { storeConfigOf } from "#repository/pgbackrest/store-config.ts";
import type { Check } from "#store/check.ts";
import { openStore } from "#store/open.ts";
import { preflight } from "#store/preflight.ts";
import type { OpenedStanza } from "./observe.ts";
import { inStanzaWords } from "./stanza-words.ts";
import { tryAzure } from "./try-azure.ts";

/** It is looked at again soon, so it may say early that a repository does not answer. */
const policy = { attempts: 2, tryMs: 8_000, totalMs: 18_000 };

export async function tryRepository(
  { metadata }: Stanza,
  { config, pgbackrest }: OpenedStanza,
  repository: RepositoryConfig,
  signal: AbortSignal,
): Promise<readonly Check[]> {
  // pgBackRest looks into archive/ and backup/ only.
  const file = `holdfast/check-${metadata.uid ?? ""}`;
  if (repository.type !== "s3") return tryAzure(pgbackrest, { key: repository.key, file, signal });
  const credentials = config.credentials.each[config.repositories.indexOf(repository)];
  const namespace = metadata.namespace ?? "";
  const store = await openStore({ ...storeConfigOf(repository, credentials), namespace }, { policy, signal });
  try {
    const checks = await preflight(store, { key: file, signal });
    return checks.map((check) => ({ ...check, message: inStanzaWords(check.message) }));
  } finally {
    store.close();
  }
}
