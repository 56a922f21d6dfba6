// Stores a base backup's archive: volume after volume, compressed where that is wished for. What a failure leaves can
// be removed by the keys this keeps.
import { compressGzip } from "#codec/gzip-parallel.ts";
import { dataKey } from "#repository/barman/layout.ts";
import type { ObjectStore, PutOptions } from "#store/store.ts";
import { ChunkFiller } from "./chunk-filler.ts";
import { BackupError } from "./errors.ts";
import { volumeFile, type Cut } from "./plan.ts";
import { TarPacker, type TarMember } from "./tar.ts";

export const backupCompressions = ["none", "gzip"] as const;
export type BackupCompression = (typeof backupCompressions)[number];

/** A value of the API's `data.compression`; throws BackupError "Unsupported" for those that cannot be written. */
export function backupCompression(name: string | undefined): BackupCompression {
  const found = backupCompressions.find((known) => known === (name ?? "none"));
  if (found !== undefined) return found;
  const why = name === "zstd" ? "barman-cloud has no zstd for base backups" : "not supported yet";
  throw new BackupError("Unsupported", `base backups cannot be compressed with ${name}: ${why}`, {
    hint: `use one of ${backupCompressions.join(", ")}`,
  });
}

export interface VolumeOptions {
  readonly store: ObjectStore;
  readonly server: string;
  readonly id: string;
  readonly compression: BackupCompression;
  /** How many parts are sent, and blocks compressed, at once. */
  readonly jobs: number;
  readonly cut: Cut;
  readonly tags?: PutOptions["tags"];
  readonly encryption?: PutOptions["encryption"];
  /** Told of each volume's key before it is begun. */
  readonly onVolume: (key: string) => void;
  readonly signal: AbortSignal;
}

/** What the packer reads at once when a compressor takes its chunks apart anyway. */
const compressedChunkBytes = 512 * 1024;

/** Stores all members; resolves to the number of bytes that the store now holds of them. */
export async function storeVolumes(members: AsyncIterator<TarMember>, options: VolumeOptions): Promise<number> {
  const { compression, cut } = options;
  const chunkBytes = compression === "none" ? cut.partBytes : compressedChunkBytes;
  const packer = new TarPacker(members, { ...cut, chunkBytes });
  let storedBytes = 0;
  try {
    for (let index = 0; await packer.hasMore(); index++) {
      const key = dataKey(options.server, options.id, volumeFile(index, compression === "none" ? "" : ".gz"));
      options.onVolume(key);
      storedBytes += await options.store.upload(key, parts(packer, options), {
        parallel: options.jobs,
        ...(options.tags === undefined ? {} : { tags: options.tags }),
        ...(options.encryption === undefined ? {} : { encryption: options.encryption }),
        signal: options.signal,
      });
    }
  } finally {
    await packer.close();
  }
  return storedBytes;
}

function parts(packer: TarPacker, options: VolumeOptions): AsyncIterable<Uint8Array> {
  if (options.compression === "none") return packer.volume();
  const { jobs, cut, signal } = options;
  return joined(compressGzip(packer.volume(), { parallel: jobs, signal }), cut.partBytes);
}

/** Joins a compressor's outputs to parts of one size. */
async function* joined(chunks: AsyncIterable<Uint8Array>, partBytes: number): AsyncGenerator<Uint8Array> {
  const filler = new ChunkFiller(partBytes);
  for await (const chunk of chunks) yield* filler.append(chunk);
  const rest = filler.rest();
  if (rest !== undefined) yield rest;
}
