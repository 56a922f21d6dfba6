// What spec.pluginConfiguration.parameters of a CNPG Backup may ask of an ObjectStore, and the words in which a wrong one is
// refused, at admission and by the sidecar. A misspelt or foreign parameter must not give a backup of another kind, or in the
// wrong place, with a green mark on it. Pure.
import { nearest } from "#std/nearest.ts";

export type Parameters = Readonly<Record<string, string>>;

export interface ParameterProblem {
  readonly parameter: string;
  readonly message: string;
  /** What to write instead. */
  readonly hint: string;
}

export const describeParameter = ({ parameter, message, hint }: ParameterProblem): string =>
  `pluginConfiguration.parameters.${parameter}: ${message} (${hint})`;

export function unknownParameters(parameters: Parameters, known: readonly string[]): readonly ParameterProblem[] {
  const unknown = Object.keys(parameters).filter((name) => !known.includes(name));
  return unknown.map((parameter) => {
    const meant = nearest(parameter, known);
    const hint = meant === undefined ? `known are ${known.join(", ")}` : `did you mean ${meant}?`;
    return { parameter, message: "unknown parameter", hint };
  });
}

/** Both names of the kind of backup. */
const kinds = ["type", "backupType"] as const;

export function storeParameterProblems(parameters: Parameters): readonly ParameterProblem[] {
  const { selectedRepository, ...others } = parameters;
  const wrong = kinds.filter((name) => parameters[name] !== undefined && parameters[name] !== "full");
  return [
    ...unknownParameters(others, kinds),
    ...(selectedRepository === undefined
      ? []
      : [{ parameter: "selectedRepository", message: "only a Stanza has several repositories", hint: "leave it out" }]),
    ...wrong.map((parameter) => ({
      parameter,
      message: `an ObjectStore holds full backups only, not ${parameters[parameter]}`,
      hint: "write full, or leave it out",
    })),
  ];
}
