// What a Stanza's spec may say beyond its schema. Pure; asked at admission, and again wherever a Stanza is used.
import type { StanzaSpec } from "./config.ts";

export interface SpecProblem {
  readonly field: string;
  readonly message: string;
  /** What to write instead. */
  readonly hint: string;
}

export function stanzaProblems({ stanzaConfiguration }: StanzaSpec): readonly SpecProblem[] {
  const { s3Repositories = [], azureRepositories = [] } = stanzaConfiguration;
  if (s3Repositories.length + azureRepositories.length > 0) return [];
  return [
    {
      field: "spec.stanzaConfiguration.s3Repositories",
      message: "a Stanza needs a repository",
      hint: "write at least one in s3Repositories or azureRepositories",
    },
  ];
}
