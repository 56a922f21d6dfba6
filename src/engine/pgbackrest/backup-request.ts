// What spec.pluginConfiguration.parameters of a CNPG Backup may ask of a Stanza. A misspelt parameter must not give a backup
// of another kind, or in another repository, with a green mark on it. Pure.
import type { BackupType } from "#repository/pgbackrest/info.ts";
import { describeParameter, unknownParameters, type ParameterProblem, type Parameters } from "../backup/parameters.ts";

export interface BackupRequest {
  /** Absent: chosen from what the repository holds. */
  readonly type?: BackupType;
  /** pgBackRest's number of the repository. */
  readonly repository: number;
}

export type ParsedRequest =
  | { readonly kind: "request"; readonly request: BackupRequest }
  | { readonly kind: "invalid"; readonly message: string };

const types = ["full", "diff", "incr"] as const;
/** `backupType`: the name of it in the plugin that Holdfast takes over from. */
const known = ["type", "backupType", "selectedRepository"] as const;

/** `repositories`: the numbers of those that the Stanza has, and the first is the default; undefined when nobody knows. */
export function stanzaParameterProblems(
  parameters: Parameters,
  repositories: readonly number[] | undefined,
): readonly ParameterProblem[] {
  const { type, backupType, selectedRepository } = parameters;
  const problems = [...unknownParameters(parameters, known)];
  for (const [parameter, asked] of Object.entries({ type, backupType }))
    if (asked !== undefined && typeOf(asked) === undefined)
      problems.push({
        parameter,
        message: `there is no type ${JSON.stringify(asked)}`,
        hint: `write ${types.join(", ")}`,
      });
  if (type !== undefined && backupType !== undefined && type !== backupType)
    problems.push({
      parameter: "backupType",
      message: `type is ${type}, backupType is ${backupType}`,
      hint: "give one of them",
    });
  const isThere = (selected: string): boolean => repositories?.some((key) => String(key) === selected) ?? true;
  if (selectedRepository !== undefined && (!/^[1-9]\d{0,2}$/.test(selectedRepository) || !isThere(selectedRepository)))
    problems.push({
      parameter: "selectedRepository",
      message: `the Stanza has no repository ${JSON.stringify(selectedRepository)}`,
      hint: repositories === undefined ? "write its number, from 1" : `write ${repositories.join(", ")}`,
    });
  return problems;
}

export function parseBackupRequest(parameters: Parameters, repositories: readonly number[]): ParsedRequest {
  const [problem] = stanzaParameterProblems(parameters, repositories);
  if (problem !== undefined) return { kind: "invalid", message: describeParameter(problem) };
  const { type, backupType, selectedRepository } = parameters;
  const found = typeOf(type ?? backupType);
  const repository = Number(selectedRepository ?? repositories[0] ?? 1);
  return { kind: "request", request: { repository, ...(found !== undefined && { type: found }) } };
}

const typeOf = (asked: string | undefined): BackupType | undefined => types.find((one) => one === asked);
