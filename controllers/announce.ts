// The event of a store whose Ready has changed, or of a Stanza whose repositories came or went while it stays Ready: when
// that changes, and never at each look.
import { apiVersion } from "#api/kinds.ts";
import type { EventRecorder } from "#kube/events.ts";
import type { KubeObject } from "#kube/object.ts";
import type { StoreKind } from "./store-key.ts";
import type { Verdict } from "./verdict.ts";

interface Shown extends KubeObject {
  readonly status?: {
    readonly conditions?: readonly { readonly type: string; readonly status: string; readonly reason: string }[];
  };
}

export interface ReadyChange {
  readonly kind: StoreKind;
  /** As it was before this look. */
  readonly object: Shown;
  readonly verdicts: readonly Verdict[];
}

export async function announceReady(
  events: EventRecorder,
  { kind, object, verdicts }: ReadyChange,
  signal: AbortSignal,
): Promise<void> {
  const isNews = ({ type, status, reason }: Verdict): boolean => {
    const before = object.status?.conditions?.find((condition) => condition.type === type);
    return before?.status !== status || before.reason !== reason;
  };
  const told = ["Ready", "RepositoriesReachable"].flatMap((type) =>
    verdicts.filter((verdict) => verdict.type === type),
  );
  const changed = told.find(isNews);
  if (changed === undefined) return;
  const { status, reason, message } = changed;
  const event = { type: status === "True" ? "Normal" : "Warning", reason, message } as const;
  await events.record({ ...object, apiVersion, kind }, event, signal);
}
