// An archive as those see it who read WAL from it, whatever its layout: barman's (barman-archive.ts) or pgBackRest's.

export interface WalRequest {
  /** As restore_command's %f: a segment, a history file, rarely a backup label. */
  readonly name: string;
  readonly segmentBytes: number;
}

export interface WalArchive {
  /** The same object for the same archive: what was prefetched or learnt for one is never used for another. */
  readonly identity: object;
  /** "s3://bucket/path/pg/wals/ (store minio)" */
  readonly description: string;
  /** How many files may be fetched ahead at once; from 1. */
  readonly maxParallel: number;
  /** How many bytes may be held ahead; as much as the spool allows when absent. */
  readonly aheadBytesMax?: number;
  /** Aborts when the settings have changed, so that nobody waits for what was given up. */
  readonly superseded?: AbortSignal;
  /**
   * Saves the file in a new file at `path`; whatever fails, the caller removes it. Throws ArchiveError "NotFound" only
   * when the archive has answered that it holds no such file.
   */
  download(request: WalRequest, path: string, signal: AbortSignal): Promise<void>;
  /** The same ahead of any request: false, or an error, when the file cannot be had cheaply; that proves nothing. */
  downloadAhead(request: WalRequest, path: string, signal: AbortSignal): Promise<boolean>;
  /**
   * One small request that shows whether the archive answers again, after it did not: whether it holds the file, as far
   * as that tells. Throws while it does not answer.
   */
  probe(name: string, signal: AbortSignal): Promise<boolean>;
}

/** Keeps one value for each archive for as long as its identity lives. */
export function createPerWalArchive<T>(make: () => T): (archive: WalArchive) => T {
  const made = new WeakMap<object, T>();
  return ({ identity }) => {
    const known = made.get(identity);
    if (known !== undefined) return known;
    const value = make();
    made.set(identity, value);
    return value;
  };
}
