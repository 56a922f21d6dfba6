// The program of a verification Job, run as the kubelet would run it: with the environment that the Job says.
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Stanza } from "#api/gen/stanza.ts";
import type { KubeClient } from "#kube/client.ts";
import { events } from "#kube/events.ts";
import type { Job } from "#controllers/stanza/verify-job.ts";
import { parseVerdict, type VerifyVerdict } from "#controllers/stanza/verify-verdict.ts";

interface Container {
  readonly env: readonly {
    readonly name: string;
    readonly value?: string;
    readonly valueFrom?: { readonly secretKeyRef: { readonly name: string; readonly key: string } };
  }[];
}

export interface ProgramRun {
  readonly job: Job;
  /** The one Secret that the Job refers to, as the API server has it. */
  readonly secret: Readonly<Record<string, string>>;
  /** What of the Stanza is looked at. */
  readonly narrow: (spec: Stanza["spec"]) => Stanza["spec"];
}

/** What it leaves as its termination message. */
export async function runVerifyProgram({ job, secret, narrow }: ProgramRun): Promise<VerifyVerdict | undefined> {
  const { template } = job.spec as { template: { spec: { containers: readonly Container[] } } };
  const env = Object.fromEntries(
    (template.spec.containers[0]?.env ?? []).map(({ name, value, valueFrom }) => [
      name,
      value ?? Buffer.from(secret[valueFrom?.secretKeyRef.key ?? ""] ?? "", "base64").toString("utf8"),
    ]),
  );
  const spec = narrow(JSON.parse(env["STANZA_SPEC"] ?? "{}") as Stanza["spec"]);
  const folder = await mkdtemp(join(tmpdir(), "holdfast-verify-"));
  const message = join(folder, "message");
  const program = join(import.meta.dirname, "..", "..", "src", "cmd", "verify.ts");
  const own = { STANZA_SPEC: JSON.stringify(spec), TERMINATION_MESSAGE: message, TMPDIR: folder };
  try {
    // It ends with an error when something is damaged.
    await promisify(execFile)(process.execPath, [program], {
      env: { ...env, ...own, PATH: process.env["PATH"] },
    }).catch(() => undefined);
    return parseVerdict(await readFile(message, "utf8"));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** What the Job controller says when a quota refuses the pod. */
export async function refusePod(client: KubeClient, { metadata: { name, namespace = "", uid } }: Job): Promise<void> {
  const event = {
    metadata: { name: "no-pod", namespace },
    type: "Warning",
    reason: "FailedCreate",
    note: `Error creating: pods "${name}-x" is forbidden: exceeded quota: small`,
    action: "FailedCreate",
    eventTime: new Date().toISOString().replace("Z", "000Z"),
    reportingController: "job-controller",
    reportingInstance: "test",
    regarding: { apiVersion: "batch/v1", kind: "Job", name, namespace, uid },
  };
  await client.create(events, event, { signal: AbortSignal.timeout(10_000) });
}
