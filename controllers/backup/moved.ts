// Whether a store still leads to where a backup was last seen. The number of a Stanza's repository says that only together
// with the spec of that time: when repositories are added or taken out, a number comes to stand for another place. So a
// repository is found again by its place. Pure.
import { isDeepStrictEqual } from "node:util";
import type { Backup } from "#api/gen/backup.ts";
import type { StoreObject } from "../repositories.ts";
import { destinationOf } from "./status.ts";

/** A store that was moved since the backup was last seen may hold another one of that id, or a copy. */
export function hasMoved(backup: Backup, store: StoreObject): boolean {
  const { destinationPath, selectedRepository } = backup.status ?? {};
  if (destinationPath === undefined) return false;
  if (store.kind === "Stanza") return repositoryNow(backup, store, selectedRepository) === undefined;
  return !isDeepStrictEqual(destinationOf(store, undefined), placeBefore(backup));
}

/**
 * The number that the backup's repository of a Stanza has now. `recorded` when no place was recorded with it; undefined when
 * none is at that place, or when several are and none of them has that number.
 */
export function repositoryNow(backup: Backup, store: StoreObject, recorded: number | undefined): number | undefined {
  if (store.kind !== "Stanza" || backup.status?.destinationPath === undefined) return recorded;
  const { s3Repositories = [], azureRepositories = [] } = store.object.spec.stanzaConfiguration;
  const numbers = [...s3Repositories, ...azureRepositories].map((_, index) => index + 1);
  const before = placeBefore(backup);
  const there = numbers.filter((number) => isDeepStrictEqual(destinationOf(store, number), before));
  if (recorded !== undefined && there.includes(recorded)) return recorded;
  return there.length === 1 ? there[0] : undefined;
}

const placeBefore = ({ status }: Backup): ReturnType<typeof destinationOf> => ({
  ...(status?.destinationPath !== undefined && { destinationPath: status.destinationPath }),
  ...(status?.endpointURL !== undefined && { endpointURL: status.endpointURL }),
});
