import { pino } from "pino";
import { describe, expect, it } from "vitest";
import type { Stanza } from "#api/gen/stanza.ts";
import { KubeError } from "#kube/errors.ts";
import type { Resource } from "#kube/object.ts";
import { Trigger } from "../trigger.ts";
import { Findings } from "./findings.ts";
import { verificationReconcile, type VerificationDeps, type VerificationStatus } from "./verification.ts";
import { verifyJob, verifyJobName, type Job } from "./verify-job.ts";
import { formatVerdict, parseVerdict, verdictOf } from "./verify-verdict.ts";

const selector = (key: string) => ({ name: "login", key });
const stanza = (requested?: string, verification?: VerificationStatus): Stanza => ({
  metadata: {
    name: "main",
    namespace: "db",
    uid: "u",
    ...(requested !== undefined && { annotations: { "holdfast.dev/verify": requested } }),
  },
  spec: {
    stanzaConfiguration: {
      name: "pg",
      s3Repositories: [
        {
          bucket: "b",
          endpoint: "minio:9000",
          region: "r",
          repoPath: "/r",
          endpointCA: selector("ca"),
          secretRef: { accessKeyId: selector("id"), secretAccessKey: selector("key") },
          cipherConfig: { encryptionPass: selector("passphrase") },
        },
      ],
    },
  },
  ...(verification && { status: { verification } }),
});

const owner = (uid: string) => ({ apiVersion: "v1", kind: "Owner", name: "owner", uid, controller: true });

/** An API server that holds at most one Job, and what became of its pod. */
interface World {
  readonly job?: Job;
  readonly container?: object;
  /** Who made the pod. */
  readonly podOwner?: string;
  readonly conditions?: readonly object[];
  /** What the Job controller says. */
  readonly event?: string;
  readonly refusal?: KubeError;
}

function world(object: Stanza, { job, container, podOwner = "j", conditions = [], event, refusal }: World = {}) {
  let held: Job | undefined = job && { ...job, metadata: { uid: "j", ownerReferences: [owner("u")], ...job.metadata } };
  const made: Job[] = [];
  const verifications = new Findings<VerificationStatus>();
  const pod = {
    metadata: { name: "p", ownerReferences: [owner(podOwner)] },
    status: { conditions, ...(container && { containerStatuses: [{ name: "verify", state: container }] }) },
  };
  const client = {
    create: async (_: Resource, created: Job) => {
      if (refusal !== undefined) throw refusal;
      if (held !== undefined) throw new KubeError("AlreadyExists", "there is one");
      made.push(created);
      held = { ...created, metadata: { ...created.metadata, uid: "j" } };
      return created;
    },
    get: async () => held,
    list: async ({ kind }: Resource) => {
      if (kind === "Event") return { items: event === undefined ? [] : [{ reason: "FailedCreate", note: event }] };
      return { items: container === undefined && conditions.length === 0 ? [] : [pod] };
    },
  };
  const deps = {
    client,
    stanzas: { get: () => object },
    verifications,
    lookAtStanza: new Trigger(),
    jobImage: () => ({ image: "holdfast:1" }),
  } as unknown as VerificationDeps;
  const reconcile = verificationReconcile(deps);
  return {
    made,
    said: () => verifications.get("u"),
    look: () => reconcile({ namespace: "db", name: "main" }, AbortSignal.timeout(5_000), pino({ level: "silent" })),
  };
}

const ended = (type: "Complete" | "Failed", message?: string): Job => ({
  metadata: { name: "main-verify" },
  status: { conditions: [{ type, status: "True", ...(message !== undefined && { message }) }] },
});
const running: VerificationStatus = { requested: "now", state: "Running", startedAt: "2026-11-26T12:00:00Z" };
const passed = formatVerdict({ state: "Passed", message: "repository 1: all is whole" });

describe("a verification on demand", () => {
  it("begins once for each new value of the annotation, and not without one", async () => {
    const asked = world(stanza("now"));
    for (let times = 0; times < 3; times++) await asked.look();
    expect(asked.made).toHaveLength(1);
    expect(asked.said()).toMatchObject({ requested: "now", state: "Running" });
    const quiet = world(stanza());
    await quiet.look();
    const answered = world(stanza("now", { requested: "now", state: "Passed" }));
    await answered.look();
    expect([...quiet.made, ...answered.made]).toEqual([]);
    const again = world(stanza("later", { requested: "now", state: "Passed" }));
    await again.look();
    expect(again.made).toHaveLength(1);
  });

  it("goes on with the Job that another leader made", async () => {
    const { look, made, said } = world(stanza("now"), { job: { metadata: { name: "main-verify" } } });
    await look();
    expect(made).toEqual([]);
    expect(said()).toMatchObject({ state: "Running" });
  });

  it("tells the verdict of the pod, whether its Job counts as failed or not", async () => {
    const damaged = formatVerdict({ state: "Failed", message: "repository 1: backup x is damaged" });
    const cases: [Job, string, string][] = [
      [ended("Complete"), passed, "Passed"],
      [ended("Failed"), damaged, "Failed"],
    ];
    for (const [job, message, state] of cases) {
      const { look, said } = world(stanza("now", running), { job, container: { terminated: { message } } });
      await look();
      expect(said()).toMatchObject({ requested: "now", state, stoppedAt: expect.any(String) as string });
    }
  });

  it("is Unknown without a verdict: killed, out of time, or its Job deleted", async () => {
    const killed = { terminated: { reason: "OOMKilled" } };
    const oom = world(stanza("now", running), { job: ended("Failed", "BackoffLimitExceeded"), container: killed });
    await oom.look();
    expect(oom.said()).toMatchObject({ state: "Unknown", message: expect.stringContaining("OOMKilled") as string });
    const gone = world(stanza("now", running));
    await gone.look();
    expect(gone.said()).toMatchObject({ state: "Unknown", message: expect.stringContaining("was deleted") as string });
  });

  it("says what its pod waits for", async () => {
    const container = { waiting: { reason: "CreateContainerConfigError", message: 'secret "login" not found' } };
    const { look, said } = world(stanza("now", running), { job: { metadata: { name: "x" } }, container });
    await look();
    expect(said()).toMatchObject({ state: "Running", message: expect.stringContaining("login") as string });
  });
});

describe("a verification that the cluster does not let happen", () => {
  it("is told with what stands in its way, and is not tried again by itself", async () => {
    const quota = new KubeError("Forbidden", 'create Job: jobs.batch "x" is forbidden: exceeded quota: few');
    const { look, said } = world(stanza("now"), { refusal: quota });
    await look();
    expect(said()).toMatchObject({
      requested: "now",
      state: "Unknown",
      message: expect.stringMatching(
        /exceeded quota: few \(once that is allowed, give the annotation another value\)/,
      ) as string,
    });
    const away = world(stanza("now"), { refusal: new KubeError("Unavailable", "no answer") });
    await expect(away.look()).rejects.toThrow("no answer");
    expect(away.said()).toBeUndefined();
  });

  it("says why there is no pod, and what a pod waits for", async () => {
    const job = { metadata: { name: "x" } };
    const pod = 'pods "x-1" is forbidden: violates PodSecurity "restricted"';
    const refused = world(stanza("now", running), { job, event: pod });
    await refused.look();
    expect(refused.said()).toMatchObject({ state: "Running", message: expect.stringContaining(pod) as string });
    const conditions = [{ type: "PodScheduled", status: "False", message: "0/1 nodes: Insufficient memory" }];
    const unplaced = world(stanza("now", running), { job, conditions });
    await unplaced.look();
    expect(unplaced.said()?.message).toMatch(/waits for a node: .*Insufficient memory/);
  });
});

describe("a verdict", () => {
  it("counts only from the pod that the Stanza's own Job made", async () => {
    const container = { terminated: { message: passed } };
    const forged = world(stanza("now", running), { job: ended("Complete"), container, podOwner: "somebody" });
    await forged.look();
    expect(forged.said()).toMatchObject({
      state: "Unknown",
      message: expect.stringContaining("without a verdict") as string,
    });
    const foreign: Job = { ...ended("Complete"), metadata: { name: "main-verify", ownerReferences: [owner("other")] } };
    const borrowed = world(stanza("now", running), { job: foreign, container });
    await borrowed.look();
    expect(borrowed.said()).toMatchObject({
      state: "Unknown",
      message: expect.stringContaining("somebody else's: delete it") as string,
    });
  });
});

describe("the Job", () => {
  const job = verifyJob(stanza("now"), "now", { image: "holdfast:1", imagePullPolicy: "Always" });

  it("may do nothing but read what its Secrets let it read", () => {
    expect(job).toMatchObject({
      apiVersion: "batch/v1",
      metadata: { namespace: "db", ownerReferences: [{ kind: "Stanza", name: "main", uid: "u" }] },
      spec: {
        backoffLimit: 0,
        activeDeadlineSeconds: 86_400,
        template: {
          spec: {
            automountServiceAccountToken: false,
            securityContext: { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } },
            containers: [
              {
                image: "holdfast:1",
                imagePullPolicy: "Always",
                resources: {
                  requests: { cpu: "100m", memory: "256Mi" },
                  limits: { cpu: "2", memory: "896Mi" },
                },
                securityContext: { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true },
              },
            ],
          },
        },
      },
    });
  });

  it("has each Secret's key by reference and no value of one", () => {
    const [container] = (job.spec as { template: { spec: { containers: { env: { value?: string }[] }[] } } }).template
      .spec.containers;
    const references = ["id", "key", "ca", "passphrase"].map((key, index) => ({
      name: `STANZA_SECRET_${index}`,
      valueFrom: { secretKeyRef: selector(key) },
    }));
    expect(container?.env.slice(2)).toEqual(references);
    expect(JSON.parse(container?.env[1]?.value ?? "")).toEqual(["id", "key", "ca", "passphrase"].map(selector));
  });

  it("has a name of its own for each request", () => {
    const name = (requested: string) => verifyJobName(stanza(), requested);
    expect(name("now")).toMatch(/^main-verify-[0-9a-f]{5}$/);
    expect(name("later")).not.toBe(name("now"));
  });
});

describe("damage that a verification found", () => {
  const failed = (verdict: object): World => ({
    job: ended("Failed"),
    container: { terminated: { message: JSON.stringify({ state: "Failed", message: "damaged", ...verdict }) } },
  });
  const found = async (before: VerificationStatus, state: World) => {
    const { look, said } = world(stanza("now", before), state);
    await look();
    return said();
  };

  it("stands with its repositories, all where the verdict does not name them", async () => {
    expect((await found(running, failed({ damaged: ["s3://b/r"] })))?.damaged).toEqual(["s3://b/r"]);
    expect((await found(running, failed({})))?.damaged).toEqual(["s3://b/r"]);
  });

  it("stands until another one passes", async () => {
    const damaged = ["s3://b/r"];
    expect(await found({ requested: "before", state: "Failed", damaged }, {})).toMatchObject({
      state: "Running",
      damaged,
    });
    const deleted = await found({ ...running, damaged }, {});
    expect(deleted).toMatchObject({ state: "Unknown", damaged });
    const whole = { job: ended("Complete"), container: { terminated: { message: passed } } };
    expect(await found({ ...running, damaged }, whole)).not.toHaveProperty("damaged");
  });
});

describe("the verdict over several repositories", () => {
  const verdict = (...states: ("Passed" | "Failed" | "Unknown")[]) =>
    verdictOf(new Map(states.map((state, index) => [index + 1, { state, message: "said" }] as const)));

  it("is damage when there is any, and passes only when all were read", () => {
    expect(verdict("Passed", "Passed")).toEqual({ state: "Passed", message: "repository 1: said; repository 2: said" });
    expect(verdict("Unknown", "Failed").state).toBe("Failed");
    expect(verdict("Passed", "Unknown").state).toBe("Unknown");
    expect(verdict().state).toBe("Unknown");
  });

  it("names the places of those with damage, or none where they do not fit", () => {
    const at = (location: string, state: "Failed" | "Passed" = "Failed") => ({ state, message: "said", location });
    const said = verdictOf(
      new Map(Object.entries([at("s3://b/1"), at("s3://b/2", "Passed")]).map(([key, each]) => [Number(key) + 1, each])),
    );
    expect(said.damaged).toEqual(["s3://b/1"]);
    expect(parseVerdict(formatVerdict(said))).toEqual(said);
    expect(verdictOf(new Map([[1, at("x".repeat(1_000))]])).damaged).toBeUndefined();
  });

  it("comes through as it was said, and what is no verdict is none", () => {
    expect(parseVerdict(passed)).toEqual({ state: "Passed", message: "repository 1: all is whole" });
    for (const text of [undefined, "", "{}", "node: out of memory", '{"state":"Fine","message":"x"}'])
      expect(parseVerdict(text)).toBeUndefined();
  });
});
