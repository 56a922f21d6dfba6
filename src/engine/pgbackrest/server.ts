// What a backup by pgBackRest asks PostgreSQL beforehand. pgBackRest opens sessions of its own.
import { connectPostgres, type ConnectionOptions } from "#postgres/connection.ts";
import { isSupportedMajor, majorOf, unsupportedMajor } from "#postgres/version.ts";
import { unsupportedByImage } from "#repository/pgbackrest/version.ts";
import { BackupError } from "../backup/errors.ts";

export interface PrimaryFacts {
  /** Size of all relations, in bytes. */
  readonly clusterBytes: number;
  readonly segmentBytes: number;
}

const factsTimeoutMs = 10 * 60_000;

/**
 * Throws BackupError "Unsupported" on a standby: pgBackRest copies from one only beside a TLS server of its own on the
 * primary, which Holdfast does not run. Nothing of tablespaces is refused here, since pgBackRest copies them.
 */
export async function readPrimaryFacts(connection: ConnectionOptions, signal: AbortSignal): Promise<PrimaryFacts> {
  const session = await connectPostgres({ applicationName: "holdfast-backup", ...connection }, signal);
  try {
    const [row] = await session.query(factsQuery, { timeoutMs: factsTimeoutMs, signal });
    if (row?.["standby"] !== "f") {
      throw new BackupError(
        "Unsupported",
        "this instance is a standby, and a pgBackRest backup is made on the primary",
        {
          hint: "set spec.target: primary",
        },
      );
    }
    requireMajor(Number(row["version"]));
    return { clusterBytes: Number(row["cluster_bytes"]), segmentBytes: Number(row["segment_bytes"]) };
  } finally {
    await session.close();
  }
}

/** Admission has said so of a Cluster whose version it could tell; an image by its digest alone shows it only here. */
export function requireMajor(versionNumber: number): void {
  const major = majorOf(versionNumber);
  if (!isSupportedMajor(major)) throw new BackupError("Unsupported", unsupportedMajor(major));
  const message = unsupportedByImage(major);
  if (message !== undefined)
    throw new BackupError("Unsupported", message, { hint: `use an ObjectStore, or PostgreSQL ${major - 1}` });
}

const factsQuery = `
  SELECT pg_is_in_recovery() AS standby,
         current_setting('server_version_num') AS version,
         (SELECT setting FROM pg_settings WHERE name = 'wal_segment_size') AS segment_bytes,
         (SELECT sum(pg_tablespace_size(oid)) FROM pg_tablespace) AS cluster_bytes`;
