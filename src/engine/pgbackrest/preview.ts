// Whether a recovery target can be reached from the repositories of a stanza. One that is away stops nothing that the
// others can do alone, and is never taken for one that holds nothing.
import type { RecoveryTargetBlock } from "#postgres/recovery-target.ts";
import type { Pgbackrest } from "#repository/pgbackrest/pgbackrest.ts";
import { problemsIn } from "#repository/pgbackrest/catalog.ts";
import { isTrusted } from "#repository/pgbackrest/repository-state.ts";
import { openPgbackrestRepository } from "#repository/pgbackrest/repository.ts";
import { previewRecovery, type RecoveryPreview } from "../restore/preview.ts";

export interface StanzaPreviewOptions {
  readonly pgbackrest: Pgbackrest;
  readonly target: RecoveryTargetBlock | undefined;
  /** Of the PostgreSQL that is to recover, where that is known. */
  readonly postgresMajor?: number | undefined;
  /** For the listing of each repository: 30 s unless told. */
  readonly infoDeadlineMs?: number;
  readonly signal: AbortSignal;
}

/** Throws StoreError when those repositories that answer do not suffice, and others do not answer. */
export async function previewStanzaRecovery(options: StanzaPreviewOptions): Promise<RecoveryPreview> {
  const { pgbackrest, target, postgresMajor, infoDeadlineMs, signal } = options;
  const limits = infoDeadlineMs === undefined ? {} : { infoDeadlineMs };
  const info = await openPgbackrestRepository(pgbackrest, limits).info({ signal });
  const [problem] = problemsIn(info);
  const repositories = info.repositories.filter(({ state }) => isTrusted(state));
  if (repositories.length === 0 && problem !== undefined) throw problem;
  const only = repositories.map(({ key }) => key);
  const repository = openPgbackrestRepository(pgbackrest, { only, info: { ...info, repositories } });
  const preview = await previewRecovery({
    repository,
    server: pgbackrest.config.stanza,
    target,
    postgresMajor,
    signal,
  });
  const isProven = preview.kind !== "unreachable" || preview.reason === "InvalidTarget" || problem === undefined;
  if (!isProven) throw problem;
  return preview;
}
