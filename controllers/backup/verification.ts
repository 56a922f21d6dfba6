// Verify after write: when CNPG calls a backup completed, the store is asked for this one backup. Once, and its answer is
// remembered: a broken one is looked at again after a while, one that could not be looked at soon.
import { reasons, type Reason } from "#api/conditions.ts";
import { checkBackup } from "#engine/verify/check.ts";
import { withDeadline } from "#std/abort.ts";
import { BoundedMap } from "#std/bounded-map.ts";
import { StoreError } from "#store/errors.ts";
import type { OpenRepository, StoreObject } from "../repositories.ts";
import { factsOf } from "./status.ts";
import type { Check } from "./terms.ts";

export interface CheckOrder {
  /** Of our Backup. */
  readonly uid: string;
  readonly store: StoreObject;
  readonly server: string;
  readonly id: string;
  /** Of a Stanza: the one that the backup is in, where that is known. */
  readonly repository?: number;
}

export interface Verifier {
  check(order: CheckOrder, signal: AbortSignal): Promise<Check>;
  /** When the backup was found whole, in monotonic milliseconds; undefined when not by this process. */
  wholeAt(uid: string): number | undefined;
  /** What was found counts no more: the store has lost it since. */
  forget(uid: string): void;
}

const limitMs = 25_000;
const brokenAgainMs = 590_000;
const rememberedMax = 1_000;

export function createVerifier(open: OpenRepository): Verifier {
  const known = new BoundedMap<string, { readonly id: string; readonly at: number; readonly check: Check }>(
    rememberedMax,
  );

  return {
    wholeAt: (uid) => {
      const last = known.get(uid);
      return last?.check.kind === "whole" ? last.at : undefined;
    },
    forget: (uid) => void known.delete(uid),
    async check(order, signal) {
      const last = known.get(order.uid);
      if (last?.id === order.id && performance.now() - last.at < brokenAgainMs) return last.check;
      const check = await look(order, open, signal);
      if (check.kind === "unknown") known.delete(order.uid);
      else known.set(order.uid, { id: order.id, at: performance.now(), check });
      return check;
    },
  };
}

async function look(order: CheckOrder, open: OpenRepository, outer: AbortSignal): Promise<Check> {
  const { store: object, server, id, repository: number } = order;
  const signal = withDeadline(outer, limitMs);
  try {
    const { repository: port } = await open(object, { signal, repository: number });
    const found = await checkBackup({ repository: port, server, id, signal });
    const repository = factsOf(object, server, found.record?.repository ?? number);
    if (found.kind === "whole") return { ...found, repository };
    return { ...found, reason: found.reason === "NotDone" ? "EngineError" : found.reason, repository };
  } catch (error) {
    outer.throwIfAborted();
    const message = error instanceof Error ? error.message : String(error);
    return {
      kind: "unknown",
      reason: reasonOf(error),
      message: `what store ${object.object.metadata.name} has of it could not be looked at: ${message}`,
    };
  }
}

function reasonOf(error: unknown): Reason {
  if (!(error instanceof StoreError)) return "StoreError";
  return reasons.find((reason) => reason === error.kind) ?? "StoreError";
}
