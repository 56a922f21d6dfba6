import { describe, expect, it } from "vitest";
import type { EventRecorder } from "#kube/events.ts";
import { announceReady } from "./announce.ts";
import type { Verdict } from "./verdict.ts";

const ready: Verdict = { type: "Ready", status: "True", reason: "Succeeded", message: "ready" };
const reachable: Verdict = { ...ready, type: "RepositoriesReachable", message: "all answer" };
const away: Verdict = { ...reachable, status: "Unknown", reason: "EndpointUnreachable", message: "repository 2: away" };

async function told(before: readonly Verdict[], verdicts: readonly Verdict[]): Promise<readonly string[]> {
  const messages: string[] = [];
  const record: EventRecorder["record"] = async (_, { type, message }) => void messages.push(`${type} ${message}`);
  const object = { metadata: { name: "main" }, status: { conditions: before } };
  const signal = AbortSignal.timeout(5_000);
  const events: EventRecorder = { record };
  await announceReady(events, { kind: "Stanza", object, verdicts }, signal);
  return messages;
}

describe("the event of a store", () => {
  it("tells once that a repository went, and once that it came back, while the Stanza stays Ready", async () => {
    expect(await told([ready, reachable], [ready, away])).toEqual(["Warning repository 2: away"]);
    expect(await told([ready, away], [ready, away])).toEqual([]);
    expect(await told([ready, away], [ready, reachable])).toEqual(["Normal all answer"]);
  });

  it("is one, about Ready, when both have changed", async () => {
    const lost: Verdict = { ...away, type: "Ready", message: "nobody answers" };
    expect(await told([ready, reachable], [lost, away])).toEqual(["Warning nobody answers"]);
  });
});
