// The control flow that all kinds share: observe, plan, say it in the status, then do it. The only place where a failed
// action becomes part of a status.
import type { Reconcile } from "./controller.ts";
import type { ObjectKey } from "./object.ts";

/** Every action says what it does and why; both are logged. */
export interface PlannedAction {
  readonly kind: string;
  readonly why: string;
}

export interface Plan<Action extends PlannedAction, Status> {
  /** In order; a failure stops the rest. */
  readonly actions: readonly Action[];
  /** From observation only, never from hope. */
  readonly status: Status;
  /** When to look again though nothing changes. */
  readonly requeueAfterMs?: number;
}

export interface Loop<Observed, Action extends PlannedAction, Status> {
  /** All reads; undefined when the object is gone. */
  observe(key: ObjectKey, signal: AbortSignal): Promise<Observed | undefined>;
  /** Pure. */
  plan(observed: Observed): Plan<Action, Status>;
  writeStatus(observed: Observed, status: Status, signal: AbortSignal): Promise<unknown>;
  /** One action, idempotent: it may be repeated after a crash at any point. */
  apply(action: Action, observed: Observed, signal: AbortSignal): Promise<void>;
  /** The status that tells of an action's failure. Pure. */
  withFailure(status: Status, action: Action, error: unknown): Status;
}

export const createReconcile =
  <Observed, Action extends PlannedAction, Status>(loop: Loop<Observed, Action, Status>): Reconcile =>
  async (key, signal, logger) => {
    const observed = await loop.observe(key, signal);
    if (observed === undefined) return {};
    const plan = loop.plan(observed);
    await loop.writeStatus(observed, plan.status, signal);
    for (const action of plan.actions) {
      signal.throwIfAborted();
      logger.info({ action: action.kind, why: action.why }, "acting");
      try {
        await loop.apply(action, observed, signal);
      } catch (error) {
        signal.throwIfAborted();
        await loop.writeStatus(observed, loop.withFailure(plan.status, action, error), signal);
        throw error;
      }
    }
    return plan.requeueAfterMs === undefined ? {} : { requeueAfterMs: plan.requeueAfterMs };
  };
