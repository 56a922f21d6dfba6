// What is wrong with one repository: by its preflight, which says exactly where it fails, else by what pgBackRest said. Pure.
import { StoreError } from "#store/errors.ts";
import { meaningOf, withHint } from "#store/reasons.ts";
import { isUndecrypted, mendOf, problemOf } from "#repository/pgbackrest/repository-state.ts";
import type { Check, CheckName } from "#store/check.ts";
import type { Problem } from "../opening-problem.ts";
import type { ObservedRepository } from "./terms.ts";

/** For information only: a bucket without them is no worse. */
const optional: ReadonlySet<CheckName> = new Set(["Versioning", "ObjectLock", "ClockSkew"]);

const isNetwork = ({ name }: Check): boolean => name === "Resolve" || name === "Connect";

/** Undefined when it can be read and, as far as that was looked at, written. */
export function problemIn(repository: ObservedRepository): Problem | undefined {
  const { key, type, state, message = "", checks } = repository;
  const counting = checks.filter(({ name, status }) => !optional.has(name) && status !== "NotRun");
  const culprit =
    counting.find(({ status }) => status === "Failed") ?? counting.find(({ status }) => status === "Unknown");
  // That nobody answers us may be our network's fault.
  if (culprit !== undefined)
    return {
      kind: culprit.status === "Failed" && !isNetwork(culprit) ? "refused" : "unknown",
      reason: culprit.reason,
      // A check of S3 has its mend in its message.
      message: withHint(
        `repository ${key}: ${culprit.message}`,
        type === "azure" ? azureMends[culprit.reason] : undefined,
      ),
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
      return { kind, reason, message: withHint(`repository ${key}: ${message}`, mendIn(repository, said)) };
    }
  }
}

/** A passphrase is the same everywhere; of the rest Azure has words of its own. */
const mendIn = ({ type, message = "" }: ObservedRepository, said: string): string | undefined =>
  type === "azure" && !isUndecrypted(message) ? (azureMends[said] ?? mendOf(message)) : mendOf(message);

const azureMends: Readonly<Record<string, string>> = {
  AccessDenied:
    "compare secretRef.keyReference with the keys of the account; a shared access signature needs read, write, delete and list, and ends at its time",
  NoSuchBucket: "make the container, or correct container",
  TLSVerificationFailed: "name the endpoint's authority in endpointCA",
};
