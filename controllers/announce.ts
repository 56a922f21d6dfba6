// The event of a store whose Ready has changed: when it changes, and never at each look.
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
  const before = object.status?.conditions?.find(({ type }) => type === "Ready");
  const ready = verdicts.find(({ type }) => type === "Ready");
  if (ready === undefined || (before?.status === ready.status && before.reason === ready.reason)) return;
  const event = {
    type: ready.status === "True" ? "Normal" : "Warning",
    reason: ready.reason,
    message: ready.message,
  } as const;
  await events.record({ ...object, apiVersion, kind }, event, signal);
}
