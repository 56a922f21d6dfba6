// What may not be changed in a Stanza that a Cluster archives to: half of an archive here and half there restores nothing,
// and everything else names a repository by its number. Pure.
import type { Stanza } from "#api/gen/stanza.ts";
import { repositoryPlaces } from "#repository/pgbackrest/location.ts";
import { isDeepStrictEqual } from "node:util";
import type { Finding, Judgement } from "../judgement.ts";
import { namedArchivers, type Archiver } from "./archivers.ts";

type Configuration = Stanza["spec"]["stanzaConfiguration"];
type Written = NonNullable<Configuration["s3Repositories"] | Configuration["azureRepositories"]>[number];

interface Repository {
  /** pgBackRest's number. */
  readonly key: number;
  /** "spec.stanzaConfiguration.s3Repositories[0]" */
  readonly field: string;
  readonly type: "s3" | "azure";
  readonly place: string | undefined;
  readonly written: Written;
}

export function judgeStanzaChange(object: Stanza, old: Stanza, archivers: readonly Archiver[]): Judgement {
  const [before, after] = [repositoriesOf(old), repositoriesOf(object)];
  const existing = existingKeys(old);
  const held = archivers.filter(({ archivesNothing }) => !archivesNothing || existing.size > 0);
  const kept = before.flatMap((was) => {
    const now = after[was.key - 1];
    return now !== undefined && now.place === was.place ? [{ was, now }] : [];
  });
  return {
    problems: [
      ...nameProblems(object, old, held),
      ...(held.length === 0 ? [] : placeProblems(before, after, held)),
      ...kept.flatMap(({ was, now }) => (held.length > 0 || existing.has(was.key) ? cipherProblems(was, now) : [])),
    ],
    warnings: [
      ...(archivers.length === 0 ? [] : membershipWarnings(before, after)),
      ...kept.flatMap(({ was, now }) => passphraseWarnings(was, now)),
      ...(object.spec.retention?.mode === "Enforce" ? kept.flatMap(({ was, now }) => shrinkWarnings(was, now)) : []),
    ],
  };
}

function repositoriesOf({ metadata, spec }: Stanza): readonly Repository[] {
  const { s3Repositories = [], azureRepositories = [] } = spec.stanzaConfiguration;
  const places = repositoryPlaces(spec, metadata.namespace ?? "");
  const at = (list: string, index: number): string => `spec.stanzaConfiguration.${list}[${index}]`;
  const all = [
    ...s3Repositories.map((written, index) => ({ type: "s3" as const, field: at("s3Repositories", index), written })),
    ...azureRepositories.map((written, index) => ({
      type: "azure" as const,
      field: at("azureRepositories", index),
      written,
    })),
  ];
  return all.map((repository, index) => ({ ...repository, key: index + 1, place: places[index] }));
}

/** Repositories in which the last look found the stanza. */
const existingKeys = ({ status }: Stanza): ReadonlySet<number> =>
  new Set(
    (status?.repositories ?? []).flatMap(({ key, state }) => (state === "Ok" || state === "NoBackup" ? [key] : [])),
  );

function nameProblems(object: Stanza, old: Stanza, held: readonly Archiver[]): Finding[] {
  const [before, after] = [old.spec.stanzaConfiguration.name, object.spec.stanzaConfiguration.name];
  if (before === after || held.length === 0) return [];
  const message = `${namedArchivers(held)} into ${JSON.stringify(before)}: its WAL and backups would stay behind`;
  const hint = "make another Stanza and name it in the Cluster's parameters";
  return [{ field: "spec.stanzaConfiguration.name", message, hint }];
}

function placeProblems(
  before: readonly Repository[],
  after: readonly Repository[],
  held: readonly Archiver[],
): readonly Finding[] {
  return before.flatMap((was) => {
    if (was.place === undefined || after[was.key - 1]?.place === was.place) return [];
    const moved = after.find(({ place }) => place === was.place);
    if (moved !== undefined) return [renumbered(was, moved)];
    const instead = after[was.key - 1];
    // Gone from the end, or another one has moved up, which is told of that one.
    if (instead === undefined || before.some(({ place }) => place === instead.place)) return [];
    const message = `repository ${was.key} is at another place, and ${namedArchivers(held)} to it: its WAL and backups would stay behind`;
    return [{ field: instead.field, message, hint: "leave it, and add the other place as a repository at the end" }];
  });
}

function renumbered(was: Repository, now: Repository): Finding {
  const message = `was repository ${was.key} and would be ${now.key}, and Backups and variables name it by number`;
  const hint =
    was.type === "azure" && now.key > was.key
      ? "those in S3 are numbered before those in Azure: add one in Azure, or make another Stanza"
      : "leave the order as it is, and add a repository at the end";
  return { field: now.field, message, hint };
}

function cipherProblems(was: Repository, now: Repository): Finding[] {
  const [had, has] = [was, now].map(({ written }) => written.cipherConfig !== undefined);
  if (had === has) return [];
  const message = `repository ${now.key} is ${had ? "" : "not "}encrypted: that was chosen when the stanza was created`;
  const hint = "leave it as it was, or add a repository at another place";
  return [{ field: `${now.field}.cipherConfig`, message, hint }];
}

function passphraseWarnings(was: Repository, now: Repository): string[] {
  const [before, after] = [was, now].map(({ written }) => written.cipherConfig?.encryptionPass);
  if (before === undefined || after === undefined || isDeepStrictEqual(before, after)) return [];
  return [`${now.field}.cipherConfig.encryptionPass: must hold the passphrase of before: another one opens nothing`];
}

function membershipWarnings(before: readonly Repository[], after: readonly Repository[]): string[] {
  const within = (place: string | undefined, list: readonly Repository[]): boolean =>
    list.some((repository) => repository.place === place);
  const gone = before.filter(({ key, place }) => key > after.length && !within(place, after));
  const fresh = after.filter(({ key, place }) => key > before.length && !within(place, before));
  return [
    ...gone.map(
      ({ key }) => `spec.stanzaConfiguration: nothing more is written to repository ${key}; what it holds stays`,
    ),
    ...fresh.map(
      ({ key, field }) => `${field}: is new and empty: make a full backup into it, with selectedRepository: ${key}`,
    ),
  ];
}

/** What is enforced already removes at its next run. */
function shrinkWarnings(was: Repository, now: Repository): string[] {
  const [before, after] = [was.written.retentionPolicy ?? {}, now.written.retentionPolicy ?? {}];
  return (["full", "diff", "archive", "history"] as const).flatMap((name) => {
    const [from, to] = [before[name], after[name]];
    const [counted, counts] = [unitOf(name, before), unitOf(name, after)];
    // Seven days and seven backups cannot be compared, so that is told as well.
    if (to === undefined || (from !== undefined && from <= to && counted === counts)) return [];
    const than = from === undefined ? "" : ` instead of ${from}${counted === counts ? "" : ` ${counted}`}`;
    const kept = counted === counts && name !== "history" ? `${to}` : `${to} ${counts}`;
    return [`${now.field}.retentionPolicy.${name}: keeps ${kept}${than}: the next run removes what is beyond`];
  });
}

type Retention = NonNullable<Written["retentionPolicy"]>;

/** What a number of the policy counts. */
function unitOf(name: "full" | "diff" | "archive" | "history", { fullType, archiveType }: Retention): string {
  if (name === "history") return "days of manifests";
  if (name === "archive") return `${archiveType ?? "full"} backups with their WAL`;
  return name === "full" && fullType === "time" ? "days" : "backups";
}
