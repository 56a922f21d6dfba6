// Verification on demand: the annotation holdfast.dev/verify asks for it, a Job in the Stanza's namespace reads the
// repositories, and its verdict comes into the Stanza's status.
import { annotations } from "#api/names.ts";
import type { Stanza } from "#api/gen/stanza.ts";
import type { KubeClient } from "#kube/client.ts";
import { ownKey, sourceOf, type Reconcile, type Source } from "#kube/controller.ts";
import { isKubeError } from "#kube/errors.ts";
import type { Informer } from "#kube/informer.ts";
import type { KubeObject, ObjectKey, Resource } from "#kube/object.ts";
import { timestamp } from "../backup/status.ts";
import type { Trigger } from "../trigger.ts";
import type { Findings } from "./findings.ts";
import type { Status } from "./terms.ts";
import { verifyJob, verifyJobName, type Job, type JobImage } from "./verify-job.ts";
import { parseVerdict } from "./verify-verdict.ts";

export type VerificationStatus = NonNullable<Status["verification"]>;

export interface VerificationDeps {
  readonly client: KubeClient;
  readonly stanzas: Informer<Stanza>;
  readonly verifications: Findings<VerificationStatus>;
  readonly lookAtStanza: Trigger;
  /** Undefined while it is not known which image the sidecars have. */
  readonly jobImage: () => JobImage | undefined;
}

export const jobs: Resource = { group: "batch", version: "v1", kind: "Job", plural: "jobs", namespaced: true };
const pods: Resource = { group: "", version: "v1", kind: "Pod", plural: "pods", namespaced: true };

interface Pod extends KubeObject {
  readonly status?: {
    readonly containerStatuses?: readonly {
      readonly state?: {
        readonly waiting?: { readonly reason?: string; readonly message?: string };
        readonly terminated?: { readonly reason?: string; readonly message?: string };
      };
    }[];
  };
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
      await makeJob(deps.client, verifyJob(stanza, requested, image), signal);
      logger.info({ requested }, "a verification was asked for");
      tell({ requested, state: "Running", startedAt: timestamp(new Date()) });
      return { requeueAfterMs: lookAgainMs };
    }
    if (known.state !== "Running") return {};
    const name = verifyJobName(stanza, requested);
    const found = await readJob(deps.client, { namespace: stanza.metadata.namespace ?? "", name }, signal);
    if (found.state === "Running") {
      tell({ ...known, message: found.message });
      return { requeueAfterMs: lookAgainMs };
    }
    logger.info({ requested, ...found }, "a verification ended");
    tell({ ...known, ...found, stoppedAt: timestamp(new Date()) });
    return {};
  };
}

async function makeJob(client: KubeClient, job: Job, signal: AbortSignal): Promise<void> {
  try {
    await client.create(jobs, job, { signal });
  } catch (error) {
    if (!isKubeError(error, "AlreadyExists")) throw error;
  }
}

type Found = { readonly state: NonNullable<VerificationStatus["state"]>; readonly message: string };

async function readJob(client: KubeClient, key: Required<ObjectKey>, signal: AbortSignal): Promise<Found> {
  const job = await client.get<Job>(jobs, key, { signal });
  if (job === undefined) return { state: "Unknown", message: `Job ${key.name} was deleted before it ended` };
  const end = job.status?.conditions?.find(
    ({ type, status }) => status === "True" && (type === "Complete" || type === "Failed"),
  );
  const labelSelector = `batch.kubernetes.io/job-name=${key.name}`;
  const { items } = await client.list<Pod>(pods, { namespace: key.namespace, labelSelector, signal });
  const state = items.at(-1)?.status?.containerStatuses?.[0]?.state;
  if (end === undefined) {
    const waiting = [state?.waiting?.reason, state?.waiting?.message].filter(Boolean).join(": ");
    return { state: "Running", message: `Job ${key.name} ${waiting === "" ? "reads the repositories" : waiting}` };
  }
  const verdict = parseVerdict(state?.terminated?.message);
  if (verdict !== undefined) return verdict;
  const why = [end.message, state?.terminated?.reason].filter(Boolean).join("; ");
  return { state: "Unknown", message: `Job ${key.name} ended without a verdict${why === "" ? "" : `: ${why}`}` };
}
