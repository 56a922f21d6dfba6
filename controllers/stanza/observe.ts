// One look at a Stanza: what each of its repositories lets us do and what it holds. Each is looked at for itself: one that
// is away hides nothing of the others, and what was read of it before stands.
import { describeViolations } from "#api/violations.ts";
import { validate } from "#api/gen/stanza.validator.js";
import type { Stanza } from "#api/gen/stanza.ts";
import { compareSegments, type SegmentName } from "#postgres/segment.ts";
import { catalogByRepository } from "#repository/pgbackrest/catalog.ts";
import { locationOfRepository, type RepositoryConfig, type StanzaConfig } from "#repository/pgbackrest/config.ts";
import { readInfo } from "#repository/pgbackrest/info.ts";
import { databasesOf, type PgbackrestInfo } from "#repository/pgbackrest/info-json.ts";
import { ownerOf } from "#repository/pgbackrest/owner.ts";
import type { NewestWal, Repository } from "#repository/repository.ts";
import { withDeadline } from "#std/abort.ts";
import type { Check, CheckName } from "#store/check.ts";
import { outOfTime, problemOf, type Problem } from "../opening-problem.ts";
import { endOf, readEnd } from "./archive-end.ts";
import { withContinuity } from "./continuity.ts";
import type { Look, ObservedRepository, OpenedStanza, RepositoryContent } from "./terms.ts";

export type { OpenedStanza } from "./terms.ts";

/** Sets pgBackRest up for a Stanza, with the Secrets as they are now. */
export type OpenStanza = (stanza: Stanza, signal: AbortSignal) => Promise<OpenedStanza>;

/** Tries what an S3 repository lets us do, by our own store port. */
export type TryRepository = (
  stanza: Stanza,
  opened: OpenedStanza,
  repository: RepositoryConfig,
  signal: AbortSignal,
) => Promise<readonly Check[]>;

/** What was read before: by place, since a number may come to stand for another one. */
export interface Known {
  readonly contents: ReadonlyMap<string, RepositoryContent>;
  readonly newestWal?: NewestWal;
}

export interface Preflight {
  /** The settings that it is about. */
  readonly config: object;
  readonly checks: ReadonlyMap<number, readonly Check[]>;
}

export interface StanzaLook {
  readonly look: Look;
  readonly known: Known;
  readonly preflight?: Preflight & { readonly isNew: boolean };
}

export interface LookOptions {
  readonly open: OpenStanza;
  readonly tryRepository: TryRepository;
  /** Of these repositories only. */
  readonly openRepository: (opened: OpenedStanza, only: readonly number[]) => Repository;
  readonly known: Known | undefined;
  /** When retention ran last: it removes WAL. */
  readonly lastRetention: string | undefined;
  /** The last one, while it is not too old to count. */
  readonly preflight: Preflight | undefined;
  readonly signal: AbortSignal;
}

/** So that time is left to say what came of it. */
const limitMs = 50_000;
/** For the answer of one repository. */
const infoMs = 25_000;

const nothing: Known = { contents: new Map() };

export async function lookAtStanza(stanza: Stanza, options: LookOptions): Promise<StanzaLook> {
  const { signal: outer, known = nothing } = options;
  const unopened = (problem: Problem): StanzaLook => ({ look: { kind: "unopened", problem }, known });
  if (!validate(stanza.spec)) {
    const message = describeViolations("spec", validate.errors);
    return unopened({ kind: "refused", reason: "InvalidSpec", message });
  }
  const signal = withDeadline(outer, limitMs);
  try {
    const opened = await options.open(stanza, signal);
    const preflight = await tryAll(stanza, opened, options, signal);
    const info = await askThose(opened, preflight, signal);
    const described = describe(opened.config, { info, preflight, known });
    const [repositories, newestWal] = await Promise.all([
      withContinuity(described, opened, { lastRetention: options.lastRetention, signal }),
      readEnd(described, opened, { ...options, signal }),
    ]);
    const contents = repositories.flatMap(({ content }, index) =>
      content ? [[placeOf(opened.config, index), content] as const] : [],
    );
    return {
      look: { kind: "looked", repositories, owner: ownerOf(info), ...endOf(repositories, newestWal) },
      known: { contents: new Map(contents), ...(newestWal && { newestWal }) },
      preflight,
    };
  } catch (error) {
    outer.throwIfAborted();
    return unopened(signal.aborted ? outOfTime(limitMs) : problemOf(error));
  }
}

async function tryAll(
  stanza: Stanza,
  opened: OpenedStanza,
  { preflight, tryRepository }: Pick<LookOptions, "preflight" | "tryRepository">,
  signal: AbortSignal,
): Promise<NonNullable<StanzaLook["preflight"]>> {
  const { config } = opened;
  if (preflight?.config === config) return { ...preflight, isNew: false };
  const checks = await Promise.all(
    config.repositories.map(
      async (repository) => [repository.key, await tryRepository(stanza, opened, repository, signal)] as const,
    ),
  );
  return { config, checks: new Map(checks), isNew: true };
}

/** pgBackRest tries for long what does not answer at all, and the preflight has just found that out. */
async function askThose(
  { pgbackrest, config }: OpenedStanza,
  { checks }: Preflight,
  signal: AbortSignal,
): Promise<PgbackrestInfo> {
  const silent = new Map(
    config.repositories.flatMap(({ key }) => {
      const check = checks.get(key)?.find((each) => each.status === "Failed" && network.has(each.name));
      return check === undefined ? [] : [[key, check.message] as const];
    }),
  );
  const repositories = config.repositories.filter(({ key }) => !silent.has(key));
  const asked = { ...pgbackrest, config: { ...config, repositories } };
  const info = await readInfo(asked, { signal, deadlineMs: infoMs });
  const unasked = [...silent].map(([key, message]) => ({ key, status: { message }, state: "Unreachable" }) as const);
  return { ...info, repositories: [...info.repositories, ...unasked] };
}

const network: ReadonlySet<CheckName> = new Set(["Resolve", "Connect"]);

interface Described {
  readonly info: PgbackrestInfo;
  readonly preflight: Preflight;
  readonly known: Known;
}

function describe(config: StanzaConfig, { info, preflight, known }: Described): ObservedRepository[] {
  const answers = new Map(catalogByRepository(info).map((answer) => [answer.key, answer]));
  return config.repositories.map((repository, index) => {
    const { key, type } = repository;
    const location = locationOfRepository(repository);
    const said = answers.get(key);
    const state = said?.state ?? "Unknown";
    const catalog = said?.catalog;
    const before = known.contents.get(placeOf(config, index));
    const encrypted = config.credentials.each[index]?.passphrase !== undefined;
    const content = catalog
      ? {
          ...contentOf(info, { key, catalog, encrypted }),
          ...(before?.continuity && { continuity: before.continuity }),
        }
      : before;
    return {
      key,
      type,
      location,
      state,
      ...(state !== "Ok" && said !== undefined && { message: said.status.message }),
      checks: preflight.checks.get(key) ?? [],
      ...(content && { content }),
      isRead: catalog !== undefined,
    };
  });
}

/** Two repositories may have one bucket and path on two servers, or one container and path in two accounts. */
function placeOf({ stanza, repositories, credentials }: StanzaConfig, index: number): string {
  const repository = repositories[index];
  if (repository === undefined) throw new RangeError(`there is no repository at ${index}`);
  const { endpoint } = repository;
  return JSON.stringify([stanza, locationOfRepository(repository), endpoint, credentials.each[index]?.account]);
}

function contentOf(
  info: PgbackrestInfo,
  { key, catalog, encrypted }: Pick<RepositoryContent, "catalog" | "encrypted"> & { readonly key: number },
): RepositoryContent {
  const [database, ...before] = databasesOf(info, key);
  const archivesOf = (id: number | undefined) =>
    info.archives.filter(({ repositoryKey, databaseId }) => repositoryKey === key && databaseId === id);
  const newestOf = (id: number | undefined): SegmentName | undefined =>
    archivesOf(id)
      .flatMap(({ max }) => max ?? [])
      .toSorted(compareSegments)
      .at(-1);
  const firstWal = archivesOf(database?.id)
    .flatMap(({ min }) => min ?? [])
    .toSorted(compareSegments)[0];
  const newestWal = newestOf(database?.id);
  const former = before.flatMap(({ id, systemId, version }) => {
    const last = newestOf(id);
    if (systemId === undefined) return [];
    return [{ systemId, ...(version !== undefined && { version }), ...(last !== undefined && { newestWal: last }) }];
  });
  return {
    catalog,
    backups: info.backups.filter(({ repositoryKey }) => repositoryKey === key),
    encrypted,
    ...(firstWal !== undefined && { firstWal }),
    ...(newestWal !== undefined && { newestWal }),
    ...(database?.systemId !== undefined && { systemId: database.systemId, databaseId: database.id }),
    ...(former.length > 0 && { former }),
  };
}
