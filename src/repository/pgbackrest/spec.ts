// What a Stanza's spec may say beyond its schema. Pure: admission, the operator and the sidecar all ask here, so that they
// say the same.
import { isObjectName } from "#api/names.ts";
import type { StanzaSpec } from "./config.ts";
import { failureDomains, repositoryPlaces } from "./location.ts";
import { azureProblems, repositoryWarnings, s3Problems } from "./repository-spec.ts";
import { parseSize, sizeMax } from "./size.ts";
import type { SpecProblem } from "./spec-problem.ts";
import { variableProblems, variableWarnings } from "./variables.ts";

type Configuration = StanzaSpec["stanzaConfiguration"];

/** Everything that stands in the way of using the Stanza; empty when nothing does. */
export function stanzaProblems(spec: StanzaSpec): readonly SpecProblem[] {
  const configuration = spec.stanzaConfiguration;
  const { s3Repositories = [], azureRepositories = [], customEnvVar = {} } = configuration;
  return [
    ...nameProblems(configuration),
    ...countProblems(configuration),
    ...s3Repositories.flatMap((repository, index) => s3Problems(repository, at(`s3Repositories[${index}]`))),
    ...azureRepositories.flatMap((repository, index) => azureProblems(repository, at(`azureRepositories[${index}]`))),
    ...placeProblems(spec),
    ...archiveProblems(configuration),
    ...compressionProblems(configuration),
    ...variableProblems(customEnvVar, { s3: s3Repositories.length, azure: azureRepositories.length }),
    ...backupProblems(spec),
  ];
}

/** What is accepted and deserves a word, one sentence each. */
export function stanzaWarnings(spec: StanzaSpec): readonly string[] {
  const { s3Repositories = [], azureRepositories = [], archive = {}, customEnvVar = {} } = spec.stanzaConfiguration;
  return [
    ...s3Repositories.flatMap((repository, index) => repositoryWarnings(repository, at(`s3Repositories[${index}]`))),
    ...azureRepositories.flatMap((repository, index) =>
      repositoryWarnings(repository, at(`azureRepositories[${index}]`)),
    ),
    ...sameDomainWarnings(spec),
    ...(archive.pushQueueMax === undefined
      ? []
      : [
          `${at("archive.pushQueueMax")}: WAL beyond it is given up in a repository that does not take it, which then restores no moment after the gap`,
        ]),
    ...aheadWarnings(archive),
    ...variableWarnings(customEnvVar),
    ...retentionWarnings(spec),
  ];
}

const at = (field: string): string => `spec.stanzaConfiguration.${field}`;

/** It becomes a folder in each repository, and a section's name in pgBackRest. */
function nameProblems({ name }: Configuration): SpecProblem[] {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,252}$/.test(name)) return [];
  const hint = "letters, digits, dots, - and _, beginning with a letter or a digit";
  return [{ field: at("name"), message: `${JSON.stringify(name.slice(0, 64))} cannot name a stanza`, hint }];
}

/** As many as a Backup can select. */
const repositoriesMax = 32;

function countProblems({ s3Repositories = [], azureRepositories = [] }: Configuration): SpecProblem[] {
  const count = s3Repositories.length + azureRepositories.length;
  const problem = (message: string, hint: string): SpecProblem[] => [{ field: at("s3Repositories"), message, hint }];
  if (count === 0)
    return problem("a Stanza needs a repository", "write at least one in s3Repositories or azureRepositories");
  return count > repositoriesMax ? problem(`has ${count} repositories`, `at most ${repositoriesMax} in all`) : [];
}

/** Two numbers for one place: pgBackRest would write and expire everything twice there. */
function placeProblems(spec: StanzaSpec): SpecProblem[] {
  const { s3Repositories = [] } = spec.stanzaConfiguration;
  const places = repositoryPlaces(spec, "");
  const fieldOf = (index: number): string =>
    index < s3Repositories.length ? `s3Repositories[${index}]` : `azureRepositories[${index - s3Repositories.length}]`;
  return places.flatMap((place, index) => {
    const first = places.indexOf(place);
    if (place === undefined || first === index) return [];
    const message = `the same place as ${fieldOf(first)}`;
    return [{ field: at(`${fieldOf(index)}.repoPath`), message, hint: "write another bucket or path" }];
  });
}

/** More than one repository is for the day on which one is lost. */
function sameDomainWarnings(spec: StanzaSpec): string[] {
  const domains = failureDomains(spec, "");
  const together = [...new Set(domains)].flatMap((domain) => {
    const numbers = domains.flatMap((other, index) => (domain !== undefined && other === domain ? [index + 1] : []));
    return numbers.length > 1 ? [`${numbers.slice(0, -1).join(", ")} and ${numbers.at(-1)}`] : [];
  });
  return together.map(
    (numbers) => `spec.stanzaConfiguration: repositories ${numbers} are on one endpoint: they are lost together`,
  );
}

function archiveProblems({ archive = {} }: Configuration): SpecProblem[] {
  const { pushQueueMax, getQueueMax, spool } = archive;
  const problems: SpecProblem[] = [];
  const add = (field: string, message: string, hint: string): void => {
    problems.push({ field: at(`archive.${field}`), message, hint });
  };
  if (pushQueueMax !== undefined && parseSize(pushQueueMax) === 0)
    add(
      "pushQueueMax",
      "WAL would be given up whenever a repository fails",
      "leave it out, or write what pg_wal has room for",
    );
  if (pushQueueMax !== undefined && parseSize(pushQueueMax) > sizeMax)
    add("pushQueueMax", "more than pgBackRest can count", "at most 4PiB");
  if (getQueueMax !== undefined && parseSize(getQueueMax) > sizeMax)
    add("getQueueMax", "more than pgBackRest can count", "at most 4PiB");
  if (spool?.storageClass !== undefined && !isObjectName(spool.storageClass))
    add("spool.storageClass", "cannot be the name of a StorageClass", "a name as `kubectl get storageclass` shows it");
  return problems;
}

/** As much as the sidecar holds of any archive: it shares its scratch volume with PostgreSQL. */
const aheadMax = "256MiB";

function aheadWarnings({ getQueueMax }: NonNullable<Configuration["archive"]>): string[] {
  if (getQueueMax === undefined || parseSize(getQueueMax) <= parseSize(aheadMax)) return [];
  return [
    `${at("archive.getQueueMax")}: no more than ${aheadMax} is fetched ahead, and no more segments than processMax`,
  ];
}

/** Where pgBackRest's option compress-level ends, by compress-type. */
const levels: Readonly<Record<string, readonly [number, number]>> = {
  bz2: [1, 9],
  gz: [-1, 9],
  lz4: [-5, 12],
  zst: [-7, 22],
};

function compressionProblems({ compressConfig = {} }: Configuration): SpecProblem[] {
  const { type = "gz", level } = compressConfig;
  if (level === undefined) return [];
  const field = at("compressConfig.level");
  const range = levels[type];
  if (range === undefined) return [{ field, message: `${type} has no level`, hint: "leave the level out" }];
  const [least, most] = range;
  if (level >= least && level <= most) return [];
  const named = compressConfig.type === undefined ? `${type}, which is used without a type,` : type;
  return [{ field, message: `${level} is no level of ${named}`, hint: `write ${least} to ${most}` }];
}

/** "7d" or "2w"; the schema has checked its form. */
export const parseDays = (text: string): number => Number.parseInt(text, 10) * (text.endsWith("w") ? 7 : 1);

const fullEveryDaysMax = 100 * 366;

function backupProblems({ backup = {} }: StanzaSpec): SpecProblem[] {
  const { fullEvery } = backup;
  if (fullEvery === undefined) return [];
  if (parseDays(fullEvery) <= fullEveryDaysMax) return [];
  const message = "longer than 100 years: no second full backup would be made";
  return [{ field: "spec.backup.fullEvery", message, hint: "write days or weeks, such as 7d" }];
}

function retentionWarnings({ stanzaConfiguration, retention = {} }: StanzaSpec): string[] {
  const { s3Repositories = [], azureRepositories = [] } = stanzaConfiguration;
  const kept = [...s3Repositories, ...azureRepositories].filter(({ retentionPolicy }) => retentionPolicy !== undefined);
  if (kept.length === 0)
    return retention.mode === "Enforce"
      ? ["spec.retention.mode: has no effect, because no repository has a retentionPolicy: everything is kept"]
      : [];
  return retention.mode === "Enforce"
    ? ["spec.retention.mode: is Enforce: pgBackRest removes what the retention policies no longer keep, for good"]
    : ["spec.retention.mode: is Preview, so nothing is removed until it is Enforce"];
}
