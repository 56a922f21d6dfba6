// What a look at the repositories means for a Stanza's conditions. Pure. True is proven; False is proven to be bad; what
// could not be looked at is Unknown. Messages name repositories and what to do, never times or counters.
import type { Reason } from "#api/conditions.ts";
import { compareSegments, type SegmentName } from "#postgres/segment.ts";
import { ofSystem } from "#repository/recovery-window.ts";
import { isTrusted } from "#repository/pgbackrest/repository-state.ts";
import { summariseReady } from "#kube/conditions.ts";
import type { Verdict } from "../verdict.ts";
import type { Problem } from "../opening-problem.ts";
import { problemIn } from "./repository-problem.ts";
import { describeGap, type RepositoryGap } from "./wal-gaps.ts";
import type { Look, ObservedRepository } from "./terms.ts";

export interface ConditionInput {
  readonly look: Look;
  readonly generation: number;
  /** The newest segment that any repository had at the look before. */
  readonly newestBefore?: SegmentName;
  /** When pg_wal is full while WAL waits in it, where that can be told. */
  readonly forecast?: string;
  /** WAL that repositories will never have. */
  readonly gaps?: readonly RepositoryGap[];
}

export function stanzaConditions({
  look,
  generation,
  newestBefore,
  forecast,
  gaps = [],
}: ConditionInput): readonly Verdict[] {
  const continuity = walContinuous(gaps);
  if (look.kind === "unopened") return [...unopened(look.problem), ...continuity];
  const { repositories } = look;
  const reachable = repositoriesReachable(repositories);
  const created = stanzaCreated(repositories);
  return [
    ready(repositories, { reachable, created, generation }),
    created,
    reachable,
    gaps[0] === undefined ? redundant(repositories, newestBefore, forecast) : gapped(gaps[0]),
    encrypted(repositories),
    ...continuity,
  ];
}

const good = (type: Verdict["type"], message: string): Verdict => ({
  type,
  status: "True",
  reason: "Succeeded",
  message,
});
const bad = (type: Verdict["type"], reason: Reason, message: string): Verdict => ({
  type,
  status: "False",
  reason,
  message,
});

/** Nothing was asked: only the spec or a Secret is known to be wrong. */
function unopened(problem: Problem): readonly Verdict[] {
  const { kind, reason, message } = problem;
  const status = kind === "refused" ? "False" : "Unknown";
  const unlooked = (type: Verdict["type"]): Verdict => ({
    type,
    status: "Unknown",
    reason: "NotChecked",
    message: "not checked: the repositories could not be opened",
  });
  const verdicts = (["StanzaCreated", "RepositoriesReachable", "Redundant", "Encrypted"] as const).map(unlooked);
  return [{ type: "Ready", status, reason, message }, ...verdicts, ...kstatus(problem)];
}

/** Only while True. Stalled: nothing but another spec helps. Reconciling: it is tried again and nothing is decided. */
function kstatus({ reason, message }: Problem): readonly Verdict[] {
  if (reason === "InvalidSpec") return [{ type: "Stalled", status: "True", reason, message }];
  if (reason === "Progressing") return [{ type: "Reconciling", status: "True", reason, message }];
  return [];
}

/** One that can be used is enough to back up into and to restore from; the others are named. */
function ready(
  repositories: readonly ObservedRepository[],
  { reachable, created, generation }: Readonly<Record<"reachable" | "created", Verdict>> & { generation: number },
): Verdict {
  const problems = repositories.map(problemIn);
  const usable = repositories.filter((_, index) => problems[index] === undefined);
  const away = problems.flatMap((problem) => problem?.message ?? []);
  if (usable.length === 0) {
    const { status, message } = summariseReady([reachable], { needs: [reachable.type], generation });
    return { type: "Ready", status, reason: reachable.reason, message };
  }
  if (away.length > 0) return good("Ready", `${named(usable)} can be read and written; not so ${away.join("; ")}`);
  const next = created.status === "True" ? "" : "; the stanza is made when a Cluster archives its first WAL";
  return good("Ready", `every repository can be read and written${next}`);
}

function repositoriesReachable(repositories: readonly ObservedRepository[]): Verdict {
  const problems = repositories.flatMap((repository) => problemIn(repository) ?? []);
  const culprit = problems.find(({ kind }) => kind === "refused") ?? problems[0];
  if (culprit === undefined) return good("RepositoriesReachable", "every repository answers and lets us in");
  const { kind, reason, message } = culprit;
  return { type: "RepositoriesReachable", status: kind === "refused" ? "False" : "Unknown", reason, message };
}

const named = (repositories: readonly ObservedRepository[]): string =>
  `${repositories.length === 1 ? "repository" : "repositories"} ${repositories.map(({ key }) => key).join(", ")}`;

function stanzaCreated(repositories: readonly ObservedRepository[]): Verdict {
  const without = repositories.filter(({ state }) => state === "NoStanza");
  const unread = repositories.filter(({ state }) => !isTrusted(state));
  if (without.length === repositories.length)
    return bad(
      "StanzaCreated",
      "NoStanza",
      "no WAL has been archived yet: the first Archive of a Cluster makes the stanza",
    );
  if (without.length > 0)
    return bad(
      "StanzaCreated",
      "NoStanza",
      `not in ${named(without)} yet: the next Archive of the Cluster makes it there`,
    );
  if (unread.length > 0)
    return {
      type: "StanzaCreated",
      status: "Unknown",
      reason: "NotChecked",
      message: `not checked: ${named(unread)} cannot be read`,
    };
  return good("StanzaCreated", "the stanza is in every repository");
}

/** WAL that only PostgreSQL had, and has no more: what follows it needs a backup that lies behind it. */
const gapped = ({ repository, first }: RepositoryGap): Verdict =>
  bad("Redundant", "WALGap", describeGap(repository, first));

/** Only when False: that nothing was given up proves no archive whole. */
function walContinuous(gaps: readonly RepositoryGap[]): readonly Verdict[] {
  const firsts = [...Map.groupBy(gaps, ({ repository }) => repository)].toSorted(([a], [b]) => a - b);
  const messages = firsts.flatMap(([repository, [gap]]) => (gap ? describeGap(repository, gap.first) : []));
  return messages.length === 0 ? [] : [bad("WALContinuous", "WALGap", messages.join("; "))];
}

function redundant(
  repositories: readonly ObservedRepository[],
  newestBefore: SegmentName | undefined,
  forecast: string | undefined,
): Verdict {
  if (repositories.length === 1)
    return bad(
      "Redundant",
      "SingleRepository",
      "there is one repository, and who loses it loses every backup: add a second one to stanzaConfiguration",
    );
  const waits = `WAL waits in pg_wal until every repository takes it${forecast === undefined ? "" : `; ${forecast}`}`;
  const down = repositories.filter((repository) => !isTrusted(repository.state));
  if (down.length > 0) return bad("Redundant", "RepositoryDown", `${named(down)} cannot be read: ${waits}`);
  const barred = repositories.filter((repository) => problemIn(repository) !== undefined);
  if (barred.length > 0) return bad("Redundant", "RepositoryDown", `${named(barred)} cannot be used: ${waits}`);
  const without = repositories.filter(({ state }) => state === "NoStanza");
  if (without.length > 0)
    return bad("Redundant", "NoStanza", `the stanza is not in ${named(without)}: nothing is kept there`);
  const systems = new Set(repositories.flatMap(({ content }) => content?.systemId ?? []));
  if (systems.size > 1)
    return bad("Redundant", "RepositoryMismatch", "the repositories hold the stanza of different database systems");
  const bare = repositories.filter((repository) => !hasFull(repository));
  if (bare.length > 0)
    return bad(
      "Redundant",
      "NoBackup",
      bare
        .map(({ key }) => `repository ${key} has no full backup: make one with selectedRepository: ${key}`)
        .join("; "),
    );
  const late = repositories.filter((repository) => isBehind(repository, newestBefore));
  if (late.length > 0)
    return bad("Redundant", "RepositoryBehind", `${named(late)} lacks WAL that another has: ${waits}`);
  return good("Redundant", "every repository has a full backup and the newest WAL");
}

/** WAL alone restores nothing, nor does a backup from before a major upgrade lead to a moment after it. */
const hasFull = ({ content }: ObservedRepository): boolean =>
  ofSystem(content?.catalog.backups ?? [], content?.systemId).some(
    ({ type, status }) => type === "full" && status === "done",
  );

/** What another one had at the look before has had its time to arrive. */
const isBehind = ({ content }: ObservedRepository, newestBefore: SegmentName | undefined): boolean =>
  newestBefore !== undefined &&
  (content?.newestWal === undefined || compareSegments(content.newestWal, newestBefore) < 0);

function encrypted(repositories: readonly ObservedRepository[]): Verdict {
  const known = repositories.filter((repository) => repository.content !== undefined);
  const plain = known.filter(({ content }) => content?.encrypted === false);
  if (plain.length > 0)
    return bad(
      "Encrypted",
      "NotEncrypted",
      `${named(plain)} is not encrypted by pgBackRest: whoever reads the bucket reads the data`,
    );
  if (known.length < repositories.length)
    return {
      type: "Encrypted",
      status: "Unknown",
      reason: "NotChecked",
      message: "not checked: not every repository could be read",
    };
  return good("Encrypted", "every repository is encrypted by pgBackRest");
}
