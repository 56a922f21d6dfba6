// The verdict on a Backup that has an id: from here on the store is the judge. Pure.
import { describePlace, describeRecord } from "./status.ts";
import { backupIdOf, done, keep, oneLine, type Check, type Observed, type Plan } from "./terms.ts";

/** Something is wrong with what was written; whether it has been mended is looked at again this late. */
const brokenAgainMs = 600_000;

const foundWhole = "its data, its metadata and all WAL it needs were found in the store";
const listed = "the store lists the backup as done";

export function judgeByStore(observed: Observed): Plan {
  const { backup } = observed;
  const phase = backup.status?.phase;
  // What was away and is back is looked at anew.
  const isBack = phase === "Missing" && observed.inStore.kind === "present";
  const isKnownWhole =
    phase === "Completed" || (phase === "Missing" && !isBack) || backup.spec.repository !== undefined;
  return isKnownWhole ? fromCatalog(observed) : fromCheck(observed, observed.check);
}

const factsOf = (observed: Observed) => {
  const { work, attempts } = observed;
  const id = backupIdOf(observed);
  return {
    ...(id !== undefined && { backupId: id }),
    ...work?.said,
    ...(work !== undefined && { cnpgBackup: work.name }),
    ...(attempts > 0 && { attempts }),
  };
};

/** CNPG has just completed it: looked at itself, not in a listing of all. */
function fromCheck(observed: Observed, check: Check | undefined): Plan {
  const facts = factsOf(observed);
  const { inStore } = observed;
  const unknown =
    check?.kind === "unknown"
      ? check
      : inStore.kind === "unknown"
        ? inStore
        : ({ reason: "Progressing", message: "what the store has of it has not been looked at yet" } as const);
  if (check === undefined || check.kind === "unknown") {
    const phase = observed.backup.status?.phase === "Failed" ? "Failed" : "Finalizing";
    return { ...done(phase, "Unknown", unknown.reason, unknown.message), facts, requeueAfterMs: 10_000 };
  }
  if (check.kind === "whole")
    return {
      ...done("Completed", "True", "Succeeded", foundWhole),
      facts: { ...facts, ...describeRecord(check.record, check.repository) },
    };
  const described =
    check.record === undefined ? describePlace(check.repository) : describeRecord(check.record, check.repository);
  const message = oneLine(check.message);
  return {
    ...done("Failed", "False", check.reason, message),
    facts: { ...facts, ...described, error: message },
    requeueAfterMs: brokenAgainMs,
  };
}

function fromCatalog(observed: Observed): Plan {
  const { inStore, backup } = observed;
  const id = backupIdOf(observed);
  const facts = factsOf(observed);
  switch (inStore.kind) {
    case "present": {
      const described = { ...facts, ...describeRecord(inStore.record, inStore.repository) };
      if (inStore.record.status === "done")
        return {
          ...done("Completed", "True", "Succeeded", backup.spec.cluster === undefined ? listed : foundWhole),
          facts: described,
        };
      const error = oneLine(inStore.record.error ?? `the store lists it as ${inStore.record.status}`);
      return { ...done("Failed", "False", "EngineError", error), facts: { ...described, error } };
    }
    case "absent": {
      const missing = inStore.dataLeft
        ? done(
            "Missing",
            "False",
            "MissingMetadata",
            `the store has data of backup ${id}, and its backup.info no longer`,
          )
        : done("Missing", "False", "Missing", `the store no longer holds backup ${id}`);
      return { ...missing, facts };
    }
    case "unread":
      // Another leader is no news: else each restart would write every Backup twice.
      return backup.status?.conditions === undefined
        ? { ...done("Finalizing", "Unknown", "Progressing", inStore.message), facts }
        : { ...keep(observed), facts };
    case "older":
      return { ...keep(observed), facts };
    case "unknown": {
      const phase = backup.status?.phase ?? "Finalizing";
      return { ...done(phase, "Unknown", inStore.reason, inStore.message), facts, requeueAfterMs: 10_000 };
    }
  }
}
