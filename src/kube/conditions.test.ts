import { describe, expect, it } from "vitest";
import { setCondition, setConditions, type StatedCondition, summariseReady } from "./conditions.ts";
import type { ConditionStatus } from "./object.ts";

const stated = (type: string, status: ConditionStatus, rest: Partial<StatedCondition> = {}): StatedCondition => ({
  type,
  status,
  reason: status === "True" ? "Succeeded" : `${type}Wrong`,
  message: "",
  observedGeneration: 2,
  ...rest,
});
const [then, now] = ["2026-11-21T00:00:00Z", "2026-11-21T01:00:00Z"];

describe("setCondition", () => {
  it("moves the time only when the status flips", () => {
    const first = setCondition([], stated("Ready", "True"), then);
    const same = setCondition(
      first,
      stated("Ready", "True", { reason: "Other", message: "new", observedGeneration: 3 }),
      now,
    );
    expect(same).toEqual([
      {
        ...stated("Ready", "True", { reason: "Other", message: "new", observedGeneration: 3 }),
        lastTransitionTime: then,
      },
    ]);
    expect(setCondition(same, stated("Ready", "False"), now)[0]?.lastTransitionTime).toBe(now);
  });

  it("leaves the others and their order alone", () => {
    const both = setCondition(setCondition([], stated("A", "True"), then), stated("B", "True"), then);
    const after = setCondition(both, stated("A", "False"), now);
    expect(after.map(({ type }) => type)).toEqual(["A", "B"]);
    expect(after[1]).toBe(both[1]);
  });
});

describe("setConditions", () => {
  it("shows exactly what is stated, Ready first, each with its own time", () => {
    const before = setConditions([], [stated("A", "True"), stated("Gone", "True")], then);
    const after = setConditions(before, [stated("A", "True"), stated("B", "True"), stated("Ready", "True")], now);
    expect(after.map(({ type, lastTransitionTime }) => [type, lastTransitionTime])).toEqual([
      ["Ready", now],
      ["A", then],
      ["B", now],
    ]);
  });
});

describe("summariseReady", () => {
  const rule = { needs: ["A", "B", "Stalled"], goodWhenFalse: ["Stalled"], generation: 2 };
  const good = [stated("A", "True"), stated("B", "True"), stated("Stalled", "False")];
  const change = (...changed: readonly StatedCondition[]) =>
    good.map((condition) => changed.find(({ type }) => type === condition.type) ?? condition);

  it.each<[string, readonly StatedCondition[], ConditionStatus, string]>([
    ["all good", good, "True", "Succeeded"],
    ["one bad", change(stated("B", "False")), "False", "BWrong"],
    ["the first of two bad", change(stated("B", "False"), stated("A", "False")), "False", "AWrong"],
    ["bad by being true", change(stated("Stalled", "True", { reason: "Stuck" })), "False", "Stuck"],
    ["bad counts before unknown", change(stated("A", "Unknown"), stated("B", "False")), "False", "BWrong"],
    ["one unknown", change(stated("B", "Unknown")), "Unknown", "BWrong"],
    ["one missing", good.slice(0, 2), "Unknown", "Progressing"],
    ["one of an older generation", change(stated("A", "True", { observedGeneration: 1 })), "Unknown", "Progressing"],
    ["nothing at all", [], "Unknown", "Progressing"],
  ])("%s", (_, conditions, status, reason) => {
    const ready = summariseReady(conditions, rule);
    expect(ready).toMatchObject({ type: "Ready", status, reason, observedGeneration: 2 });
  });

  it("names the condition in its message", () => {
    const bad = change(stated("B", "False", { message: "bucket not found; create it" }));
    expect(summariseReady(bad, rule).message).toBe("B: bucket not found; create it");
  });
});
