// global/pg_control: what a data directory says of itself. Layout of struct ControlFileData on little-endian 64-bit
// machines, PostgreSQL 15 to 18 (src/include/catalog/pg_control.h); every field read here was compared with what
// pg_controldata of each version prints.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { delay } from "#std/abort.ts";
import { crc32c } from "./crc32c.ts";
import { PostgresFileError } from "./errors.ts";
import { isSupportedMajor, unsupportedMajor, type SupportedMajor } from "./version.ts";

/** DBState in the order of the C enum. */
export const clusterStates = [
  "starting up",
  "shut down",
  "shut down in recovery",
  "shutting down",
  "in crash recovery",
  "in archive recovery",
  "in production",
] as const;
export type ClusterState = (typeof clusterStates)[number];

export interface ControlData {
  /** Decimal text of the 64-bit system identifier, as pg_controldata and PostgreSQL's functions show it. */
  readonly systemId: string;
  readonly controlVersion: number;
  readonly catalogVersion: number;
  readonly pgVersion: SupportedMajor;
  readonly state: ClusterState;
  /** When the file was last written, in whole seconds. */
  readonly modifiedAt: Date;
  readonly checkpointLsn: bigint;
  readonly redoLsn: bigint;
  /** Timeline of the latest checkpoint; the current one of a server in production after its first checkpoint on it. */
  readonly timeline: number;
  readonly previousTimeline: number;
  /** How far recovery must go before the data is consistent; undefined when nothing of the sort is recorded. */
  readonly minRecoveryPoint?: { readonly lsn: bigint; readonly timeline: number };
  readonly segmentBytes: number;
  readonly pageBytes: number;
  /** 0: data checksums are off. */
  readonly dataChecksumVersion: number;
  readonly dataChecksums: boolean;
}

/** Catalog versions (src/include/catalog/catversion.h) tell the majors apart: 15 and 16 share pg_control version 1300. */
const majorByCatalogVersion: ReadonlyMap<number, SupportedMajor> = new Map([
  [202209061, 15],
  [202307071, 16],
  [202406281, 17],
  [202506291, 18],
]);

/** Offset of the checksum, which covers all bytes before it, by pg_control version. */
const crcOffsets: ReadonlyMap<number, number> = new Map([
  [1300, 288],
  [1700, 288],
  [1800, 292],
]);

/** Reads the content of a pg_control file; throws PostgresFileError for one that is damaged or of another version. */
export function parseControlData(content: Uint8Array): ControlData {
  const view = new DataView(content.buffer, content.byteOffset, content.byteLength);
  const major = checkIntegrity(content, view);
  const minRecoveryLsn = view.getBigUint64(136, true);
  const dataChecksumVersion = view.getUint32(252, true);
  const state = clusterStates[view.getUint32(16, true)];
  if (state === undefined) throw new PostgresFileError("Damaged", "pg_control holds an unknown cluster state");
  return {
    systemId: view.getBigUint64(0, true).toString(),
    controlVersion: view.getUint32(8, true),
    catalogVersion: view.getUint32(12, true),
    pgVersion: major,
    state,
    modifiedAt: new Date(Number(view.getBigInt64(24, true)) * 1000),
    checkpointLsn: view.getBigUint64(32, true),
    redoLsn: view.getBigUint64(40, true),
    timeline: view.getUint32(48, true),
    previousTimeline: view.getUint32(52, true),
    ...(minRecoveryLsn === 0n
      ? {}
      : { minRecoveryPoint: { lsn: minRecoveryLsn, timeline: view.getUint32(144, true) } }),
    segmentBytes: view.getUint32(228, true),
    pageBytes: view.getUint32(216, true),
    dataChecksumVersion,
    dataChecksums: dataChecksumVersion !== 0,
  };
}

/**
 * Reads global/pg_control of a data directory, also of a running server: a read that meets PostgreSQL's write of the
 * file can be torn, so a wrong checksum is read again a few times (PostgreSQL: src/common/controldata_utils.c does so).
 */
export async function readControlFile(pgdata: string, options: { readonly signal: AbortSignal }): Promise<ControlData> {
  const path = join(pgdata, "global", "pg_control");
  for (let attempt = 1; ; attempt++) {
    try {
      return parseControlData(await readFile(path, options));
    } catch (error) {
      if (error instanceof PostgresFileError) {
        if (error.kind !== "Damaged" || attempt === 10) throw error;
      } else if (isNoEntry(error)) {
        throw new PostgresFileError("NotFound", `${path} does not exist`, { cause: error });
      } else {
        throw error;
      }
    }
    await delay(10, options.signal);
  }
}

function checkIntegrity(content: Uint8Array, view: DataView): SupportedMajor {
  if (content.byteLength < 296) throw new PostgresFileError("Damaged", "pg_control is too short");
  const controlVersion = view.getUint32(8, true);
  const crcOffset = crcOffsets.get(controlVersion);
  if (crcOffset === undefined) throw unknownVersion(view, controlVersion);
  if (crc32c(content.subarray(0, crcOffset)) !== view.getUint32(crcOffset, true)) {
    throw new PostgresFileError("Damaged", "pg_control has a wrong checksum");
  }
  const catalogVersion = view.getUint32(12, true);
  const major = majorByCatalogVersion.get(catalogVersion);
  if (major === undefined) {
    throw new PostgresFileError("Unsupported", `pg_control is of an unknown catalog version ${catalogVersion}`);
  }
  return major;
}

/** pg_control versions are the major that last changed the file times 100: 1201 and 1300 cover several. */
function unknownVersion(view: DataView, controlVersion: number): PostgresFileError {
  if (view.getUint32(8, false) < 10_000 && controlVersion > 65_535) {
    return new PostgresFileError("Unsupported", "pg_control was written on a big-endian machine");
  }
  const major = Math.floor(controlVersion / 100);
  const explanation = isSupportedMajor(major) || major > 99 ? "" : `: ${unsupportedMajor(major)}`;
  return new PostgresFileError("Unsupported", `pg_control version ${controlVersion} is not known${explanation}`);
}

const isNoEntry = (error: unknown): boolean => error instanceof Error && "code" in error && error.code === "ENOENT";
