// WAL files that were given up in a repository, because PostgreSQL's queue outgrew the Stanza's limit: what is known of
// them since the process started, the newest if there are many. Nothing that was given up is ever silent.

export interface Gap {
  readonly segment: string;
  /** pgBackRest's numbers of the repositories that do not have it. */
  readonly repositories: readonly number[];
  readonly at: Date;
}

export interface Gaps {
  add(gap: Gap): void;
  /** Oldest first. */
  readonly list: readonly Gap[];
}

const keptMax = 100;

export function createGaps(): Gaps {
  const list: Gap[] = [];
  return {
    add(gap) {
      const known = list.findIndex(({ segment }) => segment === gap.segment);
      if (known >= 0) list.splice(known, 1);
      list.push(gap);
      if (list.length > keptMax) list.shift();
    },
    get list() {
      return [...list];
    },
  };
}
