// WAL files that were given up in a repository, because PostgreSQL's queue outgrew the Stanza's limit. Nothing that was given
// up is ever silent: each is written down before PostgreSQL is answered, and told again by a sidecar that starts anew, until
// a full backup in that repository has begun behind it. Telling it twice does no harm.
import { locationOfRepository, type StanzaConfig } from "#repository/pgbackrest/config.ts";
import { failedAnnotation } from "#repository/pgbackrest/annotations.ts";
import type { BackupInfo } from "#repository/pgbackrest/info.ts";
import type { GapFile, KeptGap } from "./gap-file.ts";

export interface Gap {
  readonly segment: string;
  /** pgBackRest's numbers of the repositories that do not have it. */
  readonly repositories: readonly number[];
  readonly at: Date;
}

/** What the numbers of repositories stand for. */
export interface GapPlace {
  readonly systemId: string;
  /** The Stanza object's name. */
  readonly stanza: string;
  readonly config: Pick<StanzaConfig, "repositories">;
}

export interface Gaps {
  /** Resolves when it is written down, or cannot be. */
  add(gap: Gap, place: GapPlace): Promise<void>;
  /** What is archived to from now on: forgets what was given up by another database system, or in places that are no more. */
  use(place: GapPlace): Promise<void>;
  /** Forgets what full backups have made up for. */
  close(stanza: string, backups: readonly BackupInfo[]): Promise<void>;
  /** Oldest first; of the Stanza that is archived to, or was last. */
  readonly list: readonly Gap[];
}

/** The first and the newest: together they tell from where to where. */
const keptMax = 100;

export function createGaps(file: GapFile): Gaps {
  let kept: readonly KeptGap[] = file.read().slice(-keptMax);
  let current = kept.at(-1)?.stanza;

  async function keep(next: readonly KeptGap[]): Promise<void> {
    // Also when nothing has changed: one of the places may have been lost. But where nothing was given up, there is no file.
    if (next.length === 0 && kept.length === 0) return;
    kept = next.length > keptMax ? next.toSpliced(keptMax / 2, next.length - keptMax) : next;
    await file.write(kept);
  }

  /** Those that remain true of a gap's repositories. */
  const filtered = (isTrue: (gap: KeptGap, repository: KeptGap["repositories"][number]) => boolean) =>
    kept
      .map((gap) => ({ ...gap, repositories: gap.repositories.filter((repository) => isTrue(gap, repository)) }))
      .filter(({ repositories }) => repositories.length > 0);

  return {
    async add({ segment, repositories, at }, { systemId, stanza, config }) {
      current = stanza;
      const gap: KeptGap = {
        systemId,
        stanza,
        segment,
        repositories: config.repositories
          .filter(({ key }) => repositories.includes(key))
          .map((repository) => ({ key: repository.key, location: locationOfRepository(repository) })),
        at: at.toISOString(),
      };
      await keep([...kept.filter((one) => one.segment !== segment || one.stanza !== stanza), gap]);
    },
    async use({ systemId, stanza, config }) {
      current = stanza;
      const places = new Map(config.repositories.map((one) => [one.key, locationOfRepository(one)]));
      await keep(
        filtered(
          (gap, { key, location }) =>
            gap.systemId === systemId && (gap.stanza !== stanza || places.get(key) === location),
        ),
      );
    },
    async close(stanza, backups) {
      const full = backups.filter(({ type, annotations }) => type === "full" && !(failedAnnotation in annotations));
      const isMadeUpFor = (segment: string, key: number): boolean =>
        full.some(
          ({ repositoryKey, beginWal }) => repositoryKey === key && beginWal !== undefined && beginWal > segment,
        );
      await keep(filtered((gap, { key }) => gap.stanza !== stanza || !isMadeUpFor(gap.segment, key)));
    },
    get list() {
      return kept
        .filter(({ stanza }) => stanza === current)
        .map(({ segment, repositories, at }) => ({
          segment,
          repositories: repositories.map(({ key }) => key),
          at: new Date(at),
        }));
    },
  };
}
