// Conditions of a status: how one is set and how Ready follows from the others. Pure.
// Source: Kubernetes API conventions, "Typical status properties".
import type { Condition } from "./object.ts";

/** A condition as a plan states it; when it last flipped follows from what was shown before. */
export type StatedCondition = Omit<Condition, "lastTransitionTime">;

/** Returns the conditions with `next` in the place of its type; the time moves only when the status flips. */
export function setCondition(
  previous: readonly Condition[],
  next: StatedCondition,
  nowIso: string,
): readonly Condition[] {
  const shown = previous.find(({ type }) => type === next.type);
  const lastTransitionTime = shown?.status === next.status ? shown.lastTransitionTime : nowIso;
  const condition: Condition = { ...next, lastTransitionTime };
  return shown === undefined
    ? [...previous, condition]
    : previous.map((other) => (other === shown ? condition : other));
}

/** Conditions that are no longer stated leave; Ready, if there, comes first, the rest in the stated order. */
export function setConditions(
  previous: readonly Condition[],
  next: readonly StatedCondition[],
  nowIso: string,
): readonly Condition[] {
  const ordered = [...next].sort((a, b) => Number(b.type === "Ready") - Number(a.type === "Ready"));
  return ordered.flatMap((stated) => {
    const shown = previous.filter(({ type }) => type === stated.type);
    return setCondition(shown, stated, nowIso);
  });
}

export interface ReadyRule {
  /** In the order of importance: the first that is not good names the reason. */
  readonly needs: readonly string[];
  /** Types of `needs` that are good when "False". */
  readonly goodWhenFalse?: readonly string[];
  readonly generation: number;
}

/**
 * Ready is False when a needed condition is bad, otherwise Unknown when one is Unknown, missing or of an older
 * generation, otherwise True. A condition that was not looked at is never taken as good.
 */
export function summariseReady(conditions: readonly StatedCondition[], rule: ReadyRule): StatedCondition {
  const needed = rule.needs.map((type) => currentCondition(conditions, type, rule.generation));
  const isBad = ({ type, status }: StatedCondition): boolean =>
    status === (rule.goodWhenFalse?.includes(type) === true ? "True" : "False");
  const culprit = needed.find(isBad) ?? needed.find(({ status }) => status === "Unknown");
  const ready = { type: "Ready", observedGeneration: rule.generation } as const;
  if (culprit === undefined) return { ...ready, status: "True", reason: "Succeeded", message: "" };
  return {
    ...ready,
    status: isBad(culprit) ? "False" : "Unknown",
    reason: culprit.reason,
    message: culprit.message === "" ? culprit.type : `${culprit.type}: ${culprit.message}`,
  };
}

function currentCondition(conditions: readonly StatedCondition[], type: string, generation: number): StatedCondition {
  const found = conditions.find((condition) => condition.type === type);
  if (found !== undefined && (found.observedGeneration ?? generation) >= generation) return found;
  return { type, status: "Unknown", reason: "Progressing", message: "not checked yet" };
}
