// What a Stanza's customEnvVar may hold: options of pgBackRest that neither a field nor the operator sets, and no secret.
// Pure. Values are never repeated in a message.
import { nearest } from "#std/nearest.ts";
import { timeOf, valueProblem } from "./option-value.ts";
import { generalOptions, repositoryOptions, type Setter } from "./options.ts";
import type { SpecProblem } from "./spec-problem.ts";
import { needsVersion } from "./version.ts";

/** The Stanza's repositories, as far as their variables are concerned. */
export interface RepositoryCounts {
  readonly s3: number;
  readonly azure: number;
}

const root = "spec.stanzaConfiguration";
const prefix = "PGBACKREST_";
/** As many as the schema lets through. */
const variablesMax = 100;
/** Longer than any option's name; a message is not to be longer than it is read. */
const nameMax = 80;

export const variableProblems = (
  variables: Readonly<Record<string, string>>,
  counts: RepositoryCounts,
): readonly SpecProblem[] => {
  const problems = Object.entries(variables)
    .slice(0, variablesMax)
    .flatMap(([name, value]) => {
      const said = problemOf(name, value, counts);
      return said === undefined ? [] : [{ field: fieldOf(name), ...said }];
    });
  return problems.length > 0 ? problems : pairProblems(variables);
};

/** What is accepted and changes nothing, one sentence each. */
export const variableWarnings = (variables: Readonly<Record<string, string>>): readonly string[] =>
  Object.keys(variables)
    .slice(0, variablesMax)
    .flatMap((name) => {
      const option = optionOf(name);
      const setter = generalOptions.get(option) ?? repositoryOptions.get(option.replace(/^repo[0-9]+-/, ""));
      return setter?.by === "variable" && setter.idle !== undefined
        ? [`${fieldOf(name)}: has no effect: ${setter.idle}`]
        : [];
    });

/** pgBackRest starts with no command when both are given and the first is not the longer one. */
function pairProblems({
  PGBACKREST_PROTOCOL_TIMEOUT: protocol,
  PGBACKREST_DB_TIMEOUT: db,
}: Readonly<Record<string, string>>) {
  if (protocol === undefined || db === undefined || timeOf(protocol) > timeOf(db)) return [];
  const hint = "write more, or leave it out";
  return [
    { field: fieldOf("PGBACKREST_PROTOCOL_TIMEOUT"), message: "must be longer than PGBACKREST_DB_TIMEOUT", hint },
  ];
}

const fieldOf = (name: string): string => `${root}.customEnvVar.${name.slice(0, nameMax)}`;

const optionOf = (name: string): string => name.slice(prefix.length).toLowerCase().replaceAll("_", "-");

type Said = Omit<SpecProblem, "field">;

function problemOf(name: string, value: string, counts: RepositoryCounts): Said | undefined {
  const form = `${prefix} and an option in capitals, such as ${prefix}IO_TIMEOUT`;
  if (!name.toUpperCase().startsWith(prefix) || name.length > nameMax)
    return { message: "not an option of pgBackRest", hint: form };
  if (!/^[A-Z0-9_]+$/.test(name)) return { message: "pgBackRest reads capitals, digits and _ only", hint: form };
  const option = optionOf(name);
  const [, negation] = /^(no|reset)-/.exec(option) ?? [];
  if (negation !== undefined) return { message: `pgBackRest ignores "${negation}" in a variable`, hint: "write =n" };
  const general = generalOptions.get(option);
  if (general !== undefined) return bySetter(general, value, root);
  if (/^(pg|db)[0-9]*-/.test(option)) return bySetter({ by: "operator" }, value, root);
  const [, number, rest] = /^repo([0-9]*)-(.+)$/.exec(option) ?? [];
  const setter = rest === undefined ? undefined : repositoryOptions.get(rest);
  if (number === undefined || rest === undefined || setter === undefined) return unknown(option, number);
  const place = placeOf(number, counts);
  if (place === undefined)
    return {
      message: number === "" ? "names no repository" : `there is no repository ${number}`,
      hint: `write the number of a repository: ${nameOf(`repo1-${rest}`)}`,
    };
  if (rest.startsWith("s3-") && place.type !== "s3" && setter.by === "variable")
    return { message: `repository ${number} is in Azure`, hint: "leave it out" };
  return bySetter(setter, value, place.field);
}

const nameOf = (option: string): string => prefix + option.toUpperCase().replaceAll("-", "_");

/** The repository of a number, S3 first; undefined when there is none. */
function placeOf(number: string, { s3, azure }: RepositoryCounts) {
  const key = /^[1-9][0-9]?$/.test(number) ? Number(number) : 0;
  if (key === 0 || key > s3 + azure) return undefined;
  return key <= s3
    ? ({ type: "s3", field: `${root}.s3Repositories[${key - 1}]` } as const)
    : ({ type: "azure", field: `${root}.azureRepositories[${key - s3 - 1}]` } as const);
}

function bySetter(setter: Setter, value: string, at: string): Said | undefined {
  switch (setter.by) {
    case "variable":
      return valueProblem(setter.form, value);
    case "field":
      return { message: "a field of the Stanza sets it", hint: `write ${at}.${setter.field}` };
    case "secret":
      return {
        message: "holds a secret, and a Stanza is no place for one",
        hint: setter.field === undefined ? "not supported yet: leave it out" : `name a Secret in ${at}.${setter.field}`,
      };
    case "operator":
      return { message: "Holdfast sets it itself", hint: "leave it out" };
    case "command":
      return { message: "goes with one run of a command, and variables go with all", hint: "leave it out" };
    case "provider":
      return { message: "a Stanza's repositories are in S3 or in Azure", hint: "leave it out" };
    case "version":
      return { message: needsVersion("it", setter.version), hint: "leave it out" };
    case "nobody":
      return { message: setter.why, hint: "leave it out" };
  }
}

function unknown(option: string, number: string | undefined): Said {
  const open = (options: ReadonlyMap<string, Setter>): readonly string[] =>
    [...options].flatMap(([name, { by }]) => (by === "variable" || by === "field" ? [name] : []));
  const repository = [...open(repositoryOptions)].map((name) => `repo${number || "1"}-${name}`);
  const meant = nearest(option, [...open(generalOptions), ...repository]);
  return {
    message: "pgBackRest has no such option",
    hint: meant === undefined ? "see pgBackRest's configuration reference" : `did you mean ${nameOf(meant)}?`,
  };
}
