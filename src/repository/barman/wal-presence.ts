// Which of the WAL files that somebody needs are not in an archive. Asks by listing: a listing shows a file whatever
// its compression, costs one request for up to a thousand of them, and reads no content.
import { parseWalKey, walPrefix } from "./layout.ts";
import type { ObjectStore } from "#store/store.ts";

export interface WalArchive {
  readonly store: ObjectStore;
  readonly server: string;
}

/** The names among `wanted` (segments, history files) that the archive does not hold, in their order. */
export async function missingWal(
  { store, server }: WalArchive,
  wanted: readonly string[],
  options: { readonly signal: AbortSignal },
): Promise<readonly string[]> {
  const missing = new Set(wanted);
  for (const group of groupByDirectory(server, wanted)) {
    const last = group.keys.at(-1) ?? "";
    for await (const entry of store.list(commonPrefix(group.keys), options)) {
      if (entry.kind !== "object") continue;
      missing.delete(parseWalKey(server, entry.key)?.name ?? "");
      if (entry.key > last && !entry.key.startsWith(last)) break;
    }
  }
  return [...missing];
}

/** One group for each directory of the archive, its keys (without extension) in byte order. */
function groupByDirectory(server: string, names: readonly string[]): readonly { readonly keys: readonly string[] }[] {
  const groups = new Map<string, string[]>();
  for (const name of names) {
    const key = walPrefix(server, name);
    const directory = key.slice(0, key.lastIndexOf("/") + 1);
    const keys = groups.get(directory) ?? [];
    keys.push(key);
    groups.set(directory, keys);
  }
  return [...groups.values()].map((keys) => ({ keys: keys.sort() }));
}

/** The longest prefix that all keys of one sorted group share: first and last differ soonest. */
function commonPrefix(sorted: readonly string[]): string {
  const first = sorted[0] ?? "";
  const last = sorted.at(-1) ?? "";
  let length = 0;
  while (length < first.length && first[length] === last[length]) length++;
  return first.slice(0, length);
}
