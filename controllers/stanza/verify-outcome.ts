// What has become of the Job of a verification. Only what the Stanza's own Job made itself is believed: its name and its
// labels may be borne by anybody's.
import type { Stanza } from "#api/gen/stanza.ts";
import type { KubeClient } from "#kube/client.ts";
import { isKubeError } from "#kube/errors.ts";
import { events } from "#kube/events.ts";
import type { KubeObject, Resource } from "#kube/object.ts";
import { inOneLine } from "#repository/pgbackrest/repository-state.ts";
import type { Status } from "./terms.ts";
import { jobs, verifyContainer, type Job } from "./verify-job.ts";
import { parseVerdict } from "./verify-verdict.ts";

const pods: Resource = { group: "", version: "v1", kind: "Pod", plural: "pods", namespaced: true };

interface Pod extends KubeObject {
  readonly status?: {
    readonly conditions?: readonly { readonly type: string; readonly status: string; readonly message?: string }[];
    readonly containerStatuses?: readonly {
      readonly name?: string;
      readonly state?: {
        readonly waiting?: { readonly reason?: string; readonly message?: string };
        readonly terminated?: { readonly reason?: string; readonly message?: string };
      };
    }[];
  };
}

interface Event extends KubeObject {
  readonly reason?: string;
  readonly note?: string;
}

export interface VerifyOutcome {
  readonly state: NonNullable<NonNullable<Status["verification"]>["state"]>;
  readonly message: string;
  /** The places of the repositories with damage, where the verdict says them. */
  readonly damaged?: readonly string[];
}

const unknown = (message: string): VerifyOutcome => ({ state: "Unknown", message });

export async function readVerifyOutcome(
  client: KubeClient,
  stanza: Stanza,
  name: string,
  signal: AbortSignal,
): Promise<VerifyOutcome> {
  const { namespace = "" } = stanza.metadata;
  const job = await client.get<Job>(jobs, { namespace, name }, { signal });
  if (job === undefined) return unknown(`Job ${name} was deleted before it ended`);
  if (!isMadeBy(job, stanza))
    return unknown(`Job ${name} is somebody else's: delete it, and give the annotation another value`);
  const end = job.status?.conditions?.find(
    ({ type, status }) => status === "True" && (type === "Complete" || type === "Failed"),
  );
  const labelSelector = `batch.kubernetes.io/job-name=${name}`;
  const { items } = await client.list<Pod>(pods, { namespace, labelSelector, signal });
  const pod = items.filter((each) => isMadeBy(each, job)).at(-1);
  const state = pod?.status?.containerStatuses?.find((container) => container.name === verifyContainer)?.state;
  if (end === undefined) return { state: "Running", message: await progressOf(client, { job, pod, signal }) };
  const verdict = parseVerdict(state?.terminated?.message);
  if (verdict !== undefined) return verdict;
  const why = [end.message, state?.terminated?.reason].filter(Boolean).join("; ");
  return unknown(
    `Job ${name} ended without a verdict${why === "" ? "" : `: ${why}`}${mendOf(state?.terminated?.reason)}`,
  );
}

/** Owned by it, and not by one that had its name before. */
const isMadeBy = ({ metadata }: KubeObject, owner: KubeObject): boolean =>
  owner.metadata.uid !== undefined &&
  metadata.ownerReferences?.some(({ uid, controller }) => controller === true && uid === owner.metadata.uid) === true;

const mendOf = (reason: string | undefined): string =>
  reason === "OOMKilled" ? " (lower stanzaConfiguration.processMax, and ask for it anew)" : "";

interface Unfinished {
  readonly job: Job;
  readonly pod: Pod | undefined;
  readonly signal: AbortSignal;
}

async function progressOf(client: KubeClient, { job, pod, signal }: Unfinished): Promise<string> {
  const { name } = job.metadata;
  if (pod === undefined) {
    const refused = await refusalOf(client, job, signal);
    return refused === undefined
      ? `Job ${name} makes its pod`
      : `Job ${name} cannot make its pod: ${refused} (once that is allowed it goes on by itself)`;
  }
  const { containerStatuses = [], conditions = [] } = pod.status ?? {};
  const waits = containerStatuses.find((container) => container.name === verifyContainer)?.state?.waiting;
  const waiting = [waits?.reason, waits?.message].filter(Boolean).join(": ");
  if (waiting !== "") return `Job ${name} ${waiting}`;
  const unplaced = conditions.find(({ type, status }) => type === "PodScheduled" && status === "False");
  return unplaced === undefined
    ? `Job ${name} reads the repositories`
    : `Job ${name} waits for a node: ${inOneLine(unplaced.message ?? "")}`;
}

/** What the Job controller says in an event alone: a quota, or somebody's admission. */
async function refusalOf(client: KubeClient, { metadata }: Job, signal: AbortSignal): Promise<string | undefined> {
  const { namespace = "", uid = "" } = metadata;
  const fieldSelector = `regarding.uid=${uid},reason=FailedCreate`;
  try {
    const { items } = await client.list<Event>(events, { namespace, fieldSelector, signal });
    const note = items.at(-1)?.note;
    return note === undefined ? undefined : inOneLine(note);
  } catch (error) {
    if (isKubeError(error, "Forbidden")) return undefined;
    throw error;
  }
}

/** Why it will not be made whoever tries; undefined for what may pass by itself. */
export const refusedJob = (error: unknown, name: string): VerifyOutcome | undefined =>
  isKubeError(error, "Forbidden") || isKubeError(error, "Invalid")
    ? unknown(
        `Job ${name} cannot be made: ${inOneLine(error.message)} (once that is allowed, give the annotation another value)`,
      )
    : undefined;
