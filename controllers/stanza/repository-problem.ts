// What is wrong with one repository: by its preflight, which says exactly where it fails, else by what pgBackRest said. Pure.
import { StoreError } from "#store/errors.ts";
import { meaningOf, withHint } from "#store/reasons.ts";
import { mendOf, problemOf } from "#repository/pgbackrest/repository-state.ts";
import type { Check, CheckName } from "#store/check.ts";
import type { Problem } from "../opening-problem.ts";
import type { ObservedRepository } from "./terms.ts";

/** For information only: a bucket without them is no worse. */
const optional: ReadonlySet<CheckName> = new Set(["Versioning", "ObjectLock", "ClockSkew"]);

const isNetwork = ({ name }: Check): boolean => name === "Resolve" || name === "Connect";

/** Undefined when it can be read and, as far as that was looked at, written. */
export function problemIn(repository: ObservedRepository): Problem | undefined {
  const { key, state, message = "", checks } = repository;
  const counting = checks.filter(({ name, status }) => !optional.has(name) && status !== "NotRun");
  const culprit =
    counting.find(({ status }) => status === "Failed") ?? counting.find(({ status }) => status === "Unknown");
  // That nobody answers us may be our network's fault.
  if (culprit !== undefined)
    return {
      kind: culprit.status === "Failed" && !isNetwork(culprit) ? "refused" : "unknown",
      reason: culprit.reason,
      message: `repository ${key}: ${culprit.message}`,
    };
  switch (state) {
    case "Ok":
    case "NoBackup":
    case "NoStanza":
      return undefined;
    case "Unreachable":
    case "Refused":
    case "Unknown": {
      const said = problemOf(message) ?? (state === "Refused" ? "AccessDenied" : "Unavailable");
      const { kind, reason } = meaningOf(new StoreError(said, message));
      return { kind, reason, message: withHint(`repository ${key}: ${message}`, mendOf(message)) };
    }
  }
}
