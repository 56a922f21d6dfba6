// Whether every backup of a Stanza's repositories is known: not while one of them cannot be read. Pure.
import type { Verdict } from "../verdict.ts";
import { problemIn } from "./repository-problem.ts";
import type { ObservedRepository } from "./terms.ts";

export function catalogSynced(repositories: readonly ObservedRepository[]): Verdict {
  const unread = repositories.find(({ isRead }) => !isRead);
  if (unread === undefined)
    return {
      type: "CatalogSynced",
      status: "True",
      reason: "Succeeded",
      message: "every backup of the repositories is known",
    };
  const problem = problemIn(unread);
  return {
    type: "CatalogSynced",
    status: "Unknown",
    reason: problem?.reason ?? "StoreError",
    message: problem?.message ?? `repository ${unread.key} cannot be read`,
  };
}
