// The history file of a timeline, read out of the archive whatever its compression.
import { text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { byExtension } from "#codec/compression.ts";
import { isCodecError } from "#codec/errors.ts";
import { historyFileName } from "#postgres/segment.ts";
import { parseHistory, type HistoryEntry } from "#postgres/timeline.ts";
import type { CallOptions, ObjectStore } from "#store/store.ts";
import { parseWalKey, walPrefix } from "./layout.ts";

/** A history file has a line for each promotion. */
const historyBytesMax = 1024 * 1024;

/** Undefined when the file is not there or damaged: nothing may be concluded from it then. */
export async function readHistory(
  store: ObjectStore,
  server: string,
  timeline: number,
  { signal }: CallOptions,
): Promise<readonly HistoryEntry[] | undefined> {
  for await (const entry of store.list(walPrefix(server, historyFileName(timeline)), { signal })) {
    const file = entry.kind === "object" ? parseWalKey(server, entry.key) : undefined;
    if (entry.kind !== "object" || file === undefined || entry.size > historyBytesMax) continue;
    const { body } = await store.get(entry.key, { signal });
    try {
      const decoder = byExtension(file.extension).decompressStream();
      const [content] = await Promise.all([text(decoder), pipeline(body, decoder, { signal })]);
      return parseHistory(content);
    } catch (error) {
      if (!isCodecError(error)) throw error;
    } finally {
      body.destroy();
    }
  }
  return undefined;
}
