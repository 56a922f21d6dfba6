// The preflight of a Stanza's S3 repository: the same steps as for an ObjectStore, with the repository's endpoint, trust and
// keys. An Azure repository is asked by pgBackRest alone.
import type { Stanza } from "#api/gen/stanza.ts";
import type { RepositoryConfig } from "#repository/pgbackrest/config.ts";
import { storeConfigOf } from "#repository/pgbackrest/store-config.ts";
import type { Check } from "#store/check.ts";
import { openStore } from "#store/open.ts";
import { preflight } from "#store/preflight.ts";
import type { OpenedStanza } from "./observe.ts";

/** It is looked at again soon, so it may say early that a repository does not answer. */
const policy = { attempts: 2, tryMs: 8_000, totalMs: 18_000 };

export async function tryRepository(
  { metadata }: Stanza,
  { config }: OpenedStanza,
  repository: RepositoryConfig,
  signal: AbortSignal,
): Promise<readonly Check[]> {
  if (repository.type !== "s3") return [];
  const credentials = config.credentials.each[config.repositories.indexOf(repository)];
  const namespace = metadata.namespace ?? "";
  const store = await openStore({ ...storeConfigOf(repository, credentials), namespace }, { policy, signal });
  try {
    // pgBackRest looks into archive/ and backup/ only.
    const checks = await preflight(store, { key: `holdfast/check-${metadata.uid ?? ""}`, signal });
    return checks.map((check) => ({ ...check, message: check.message.replaceAll("endpointURL", "endpoint") }));
  } finally {
    store.close();
  }
}
