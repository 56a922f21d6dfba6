// Whether one repository alone proves that the database can be restored while another cannot be used. Pure.
import type { InstanceEntry } from "#engine/report/reporter.ts";
import { parseLsn } from "#postgres/lsn.ts";
import { defaultSegmentBytes, segmentPosition } from "#postgres/segment.ts";
import { recoveryWindow } from "#repository/recovery-window.ts";
import type { WindowProof } from "../archive/conditions.ts";
import { missingIn } from "./missing-wal.ts";
import { problemIn } from "./repository-problem.ts";
import type { ObservedRepository, RepositoryContent } from "./terms.ts";
import type { RepositoryGap } from "./wal-gaps.ts";

/** Undefined when all can be used, and when none that was read now has a backup from which its WAL goes on. */
export function windowProof(
  repositories: readonly ObservedRepository[],
  told: readonly RepositoryGap[],
  primary: InstanceEntry | undefined,
): WindowProof | undefined {
  if (repositories.every((repository) => problemIn(repository) === undefined)) return undefined;
  const proofs = repositories.flatMap(({ key, isRead, content }) => {
    if (!isRead || content?.newestWal === undefined) return [];
    const { catalog, systemId, newestWal: name } = content;
    const gaps = missingIn({ key, content }, told);
    const { windowTo } = recoveryWindow({ catalog, systemId, newestWal: { name }, gaps });
    return windowTo === undefined ? [] : [{ from: `repository ${key}`, hasNewestWal: hasNewestWal(content, primary) }];
  });
  return proofs.find((proof) => proof.hasNewestWal) ?? proofs[0];
}

/** All segments but the one that was open when the primary reported. */
function hasNewestWal({ newestWal, catalog }: RepositoryContent, primary: InstanceEntry | undefined): boolean {
  const lsn = parseLsn(primary?.currentLSN ?? "");
  if (newestWal === undefined || lsn === undefined) return false;
  const segmentBytes = catalog.backups.at(-1)?.segmentBytes ?? defaultSegmentBytes;
  return segmentPosition(newestWal, segmentBytes).segment >= lsn / BigInt(segmentBytes) - 1n;
}
