// What a backup may be asked for, by where it goes: types and repositories are a Stanza's. Pure. Said when a Backup or a
// BackupSchedule is made; the Cluster may come later, and then nothing is known and nothing refused.
import type { Finding, Judgement } from "../judgement.ts";

/** The own store of a Cluster. */
export interface Destination {
  readonly kind: "ObjectStore" | "Stanza";
  readonly name: string;
  /** How many a Stanza has, when it is known. */
  readonly repositories?: number;
}

export interface Asked {
  readonly type?: string;
  readonly target?: string;
  readonly selectedRepository?: number;
}

/** `at` is where the fields stand: "spec", "spec.schedules[0]". */
export function judgeAsked(asked: Asked, at: string, destination: Destination | undefined): Judgement {
  if (destination === undefined) return { problems: [], warnings: [] };
  return destination.kind === "ObjectStore"
    ? { problems: storeProblems(asked, at, destination), warnings: [] }
    : { problems: stanzaProblems(asked, at, destination), warnings: stanzaWarnings(asked, at) };
}

function storeProblems({ type = "full", selectedRepository }: Asked, at: string, { name }: Destination): Finding[] {
  const problems: Finding[] = [];
  if (type !== "full")
    problems.push({
      field: `${at}.type`,
      message: `the Cluster's backups go to ObjectStore ${name}, which knows full ones only, not ${type}`,
      hint: "write full, or leave it out",
    });
  if (selectedRepository !== undefined)
    problems.push({
      field: `${at}.selectedRepository`,
      message: `the Cluster's backups go to ObjectStore ${name}, and only a Stanza has several repositories`,
      hint: "leave it out",
    });
  return problems;
}

function stanzaProblems({ selectedRepository }: Asked, at: string, { name, repositories }: Destination): Finding[] {
  if (selectedRepository === undefined || repositories === undefined || selectedRepository <= repositories) return [];
  const count = repositories === 1 ? "1 repository" : `${repositories} repositories`;
  return [
    {
      field: `${at}.selectedRepository`,
      message: `there is no repository ${selectedRepository}: Stanza ${name} has ${count}`,
      hint: `write 1 to ${repositories}: S3 first, then Azure, in the order of the Stanza`,
    },
  ];
}

const stanzaWarnings = ({ target }: Asked, at: string): readonly string[] =>
  target === "prefer-standby"
    ? [`${at}.target: the primary is read all the same: Holdfast reads no standby for a Stanza`]
    : [];
