// One condition as a plan states it, in the words of the closed lists. When it last flipped follows from the status that
// it is written to.
import type { ConditionType, Reason } from "#api/conditions.ts";

export interface Verdict {
  readonly type: ConditionType;
  readonly status: "True" | "False" | "Unknown";
  readonly reason: Reason;
  readonly message: string;
}
