// Verification on demand: the annotation holdfast.dev/verify asks for it, a Job in the Stanza's namespace reads the
// repositories, and its verdict comes into the Stanza's status.
import { annotations } from "#api/names.ts";
import type { Stanza } from "#api/gen/stanza.ts";
import type { KubeClient } from "#kube/client.ts";
import { ownKey, sourceOf, type Reconcile, type Source } from "#kube/controller.ts";
import { isKubeError } from "#kube/errors.ts";
import type { Informer } from "#kube/informer.ts";
import { timestamp } from "../backup/status.ts";
import type { Trigger } from "../trigger.ts";
import type { Findings } from "./findings.ts";
import type { Status } from "./terms.ts";
import { placesOf } from "./verified.ts";
import { jobs, verifyJob, verifyJobName, type Job, type JobImage } from "./verify-job.ts";
import { readVerifyOutcome, refusedJob, type VerifyOutcome } from "./verify-outcome.ts";

export type VerificationStatus = NonNullable<Status["verification"]>;

export interface VerificationDeps {
  readonly client: KubeClient;
  readonly stanzas: Informer<Stanza>;
  readonly verifications: Findings<VerificationStatus>;
  readonly lookAtStanza: Trigger;
  /** Undefined while it is not known which image the sidecars have. */
  readonly jobImage: () => JobImage | undefined;
}

const lookAgainMs = 15_000;

export const verificationSources = ({ stanzas }: VerificationDeps): Source[] => [sourceOf(stanzas, ownKey)];

export function verificationReconcile(deps: VerificationDeps): Reconcile {
  return async (key, signal, logger) => {
    const stanza = deps.stanzas.get(key);
    const requested = stanza?.metadata.annotations?.[annotations.verify];
    if (stanza === undefined || stanza.metadata.deletionTimestamp !== undefined || !requested) return {};
    const uid = stanza.metadata.uid ?? "";
    const known = deps.verifications.get(uid) ?? stanza.status?.verification;
    const tell = (status: VerificationStatus): void => {
      if (JSON.stringify(known) === JSON.stringify(status)) return;
      deps.verifications.set(uid, status);
      deps.lookAtStanza.fire(key);
    };
    if (known?.requested !== requested) {
      const image = deps.jobImage();
      if (image === undefined) return { requeueAfterMs: lookAgainMs };
      const refused = await makeJob(deps.client, verifyJob(stanza, requested, image), signal);
      const startedAt = timestamp(new Date());
      logger.info({ requested, ...refused }, "a verification was asked for");
      const before = damageOf(stanza, known);
      tell({
        requested,
        ...(refused ? { ...refused, stoppedAt: startedAt } : { state: "Running", startedAt }),
        ...before,
      });
      return refused ? {} : { requeueAfterMs: lookAgainMs };
    }
    if (known.state !== "Running") return {};
    const name = verifyJobName(stanza, requested);
    const found = await readVerifyOutcome(deps.client, stanza, name, signal);
    if (found.state === "Running") {
      tell({ ...known, message: found.message });
      return { requeueAfterMs: lookAgainMs };
    }
    logger.info({ requested, ...found }, "a verification ended");
    const { damaged: _before, ...begun } = known;
    const damage = damageOf(stanza, found.state === "Unknown" ? known : found);
    tell({ ...begun, state: found.state, message: found.message, stoppedAt: timestamp(new Date()), ...damage });
    return {};
  };
}

/** It stays found until another verification comes to a verdict. */
function damageOf(
  stanza: Stanza,
  known: Pick<VerifyOutcome, "damaged"> & Pick<VerificationStatus, "state"> = {},
): Pick<VerificationStatus, "damaged"> {
  const { state, damaged = state === "Failed" ? placesOf(stanza) : [] } = known;
  return state === "Passed" || damaged.length === 0 ? {} : { damaged: [...damaged] };
}

/** Undefined when it is there, whoever made it. */
async function makeJob(
  client: KubeClient,
  job: Job,
  signal: AbortSignal,
): Promise<Omit<VerifyOutcome, "damaged"> | undefined> {
  try {
    await client.create(jobs, job, { signal });
    return undefined;
  } catch (error) {
    if (isKubeError(error, "AlreadyExists")) return undefined;
    const refused = refusedJob(error, job.metadata.name);
    if (refused === undefined) throw error;
    return refused;
  }
}
