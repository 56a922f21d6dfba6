// The archives that a base backup's data is stored in: which there are, and their content as one stream each.
import type { Duplex } from "node:stream";
import { pipeline } from "node:stream/promises";
import { byExtension, type WalCompression } from "#codec/compression.ts";
import type { Logger } from "#observe/logger.ts";
import { backupPrefix } from "#repository/barman/layout.ts";
import type { ObjectStore } from "#store/store.ts";
import { downloadPieces } from "./download.ts";
import { RestoreError } from "./errors.ts";
import { tablespaceFound } from "./untar.ts";

export interface Volume {
  readonly key: string;
  readonly size: number;
  readonly compression: WalCompression;
}

/**
 * "data.tar", "data_0001.tar.gz" in their order. Throws RestoreError "Unsupported" for tablespaces and CodecError
 * "Unsupported" for compressions that cannot be read yet.
 */
export async function listVolumes(options: {
  readonly store: ObjectStore;
  readonly server: string;
  readonly backupId: string;
  readonly signal: AbortSignal;
}): Promise<readonly Volume[]> {
  const prefix = backupPrefix(options.server, options.backupId);
  const volumes: Volume[] = [];
  for await (const entry of options.store.list(prefix, { signal: options.signal })) {
    const match = entry.kind === "object" ? /^([^/]+)\.tar(\.\w+)?$/.exec(entry.key.slice(prefix.length)) : null;
    if (entry.kind !== "object" || match === null) continue;
    const [, name = "", extension = ""] = match;
    if (!/^data(_\d{4,})?$/.test(name)) throw tablespaceFound(`tablespace ${name}`);
    volumes.push({ key: entry.key, size: entry.size, compression: byExtension(extension) });
  }
  if (volumes.length === 0) throw new RestoreError("NotUsable", `backup ${options.backupId} has no data in the store`);
  return volumes.sort((a, b) => volumeNumber(a.key) - volumeNumber(b.key));
}

const volumeNumber = (key: string): number => Number(/_(\d+)\.tar[^/]*$/.exec(key)?.[1] ?? 0);

/** A volume's content, decompressed, to be read once. A chunk is valid until the next one is asked for. */
export function openVolume(
  { key, size, compression }: Volume,
  options: {
    readonly store: ObjectStore;
    readonly parallel: number;
    readonly logger: Logger;
    readonly signal: AbortSignal;
  },
): AsyncIterable<Uint8Array> {
  const { store, parallel, logger, signal } = options;
  const onRetry = (error: unknown, attempt: number, delayMs: number): void => {
    logger.warn({ err: error, key, attempt, delayMs }, "a piece of a backup is read again");
  };
  // A decompressor keeps what it was given for as long as it likes.
  const reuse = compression.name === "none";
  const pieces = downloadPieces({ store, key, size, parallel, reuse, onRetry, signal });
  return reuse ? pieces : through(compression.decompressStream(), pieces);
}

async function* through(
  decoder: Duplex,
  pieces: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const feeding = pipeline(pieces, decoder);
  // A failure of either side ends the loop below with that error.
  feeding.catch(() => {});
  try {
    for await (const chunk of decoder) yield chunk as Buffer;
    await feeding;
  } finally {
    decoder.destroy();
    await feeding.catch(() => {});
  }
}
