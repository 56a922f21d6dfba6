// Brings the cluster up, or mends what is missing of it. Every step looks before it acts, so a second `up` only looks.
import { mkdir, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { type Artifacts, build, type BuildOptions } from "./build.ts";
import type { Tools } from "./build-go.ts";
import { applyStorageClass, applyCnpg, waitForCnpg } from "./cnpg.ts";
import { startControlPlane } from "./control-plane.ts";
import { startDns } from "./dns.ts";
import { isExternal } from "./env.ts";
import { importImages } from "./images.ts";
import { alone } from "./lock.ts";
import { prepareMachine } from "./machine.ts";
import { startStore } from "./minio.ts";
import { startContainerd, startNode } from "./node.ts";
import { repositoryRoot, userPrograms, stateRoot } from "./paths.ts";
import { makeCertificates } from "./pki.ts";
import { ensureHealthy, findProcesses } from "./processes.ts";
import { type Run, seconds, startRun, together } from "./run.ts";
import { storeTlsIsHealthy } from "./tls-endpoint.ts";

const linkUserPrograms = async (tools: Tools): Promise<void> => {
  await mkdir(userPrograms, { recursive: true });
  const programs = { kubectl: tools.kubernetes, "kubectl-cnpg": tools.cnpg };
  for (const [name, folder] of Object.entries(programs)) {
    const link = join(userPrograms, name);
    await rm(link, { force: true });
    await symlink(join(folder, name), link);
  }
};

const startAgent = async (run: Run): Promise<void> => {
  const spec = {
    name: "agent" as const,
    program: process.execPath,
    args: [join(repositoryRoot, "test", "cluster", "agent.ts")],
  };
  await ensureHealthy(spec, () => storeTlsIsHealthy(run), run);
};

/** The order is that of need; what needs nothing of one another starts together. */
const startAll = async ({ tools, images }: Artifacts, run: Run): Promise<void> => {
  await mkdir(stateRoot, { recursive: true });
  await linkUserPrograms(tools);
  await prepareMachine(run);
  await makeCertificates(run);
  const control = startControlPlane(tools, run);
  // The two that wait for it below report its failure.
  control.catch(() => undefined);
  await together(
    run,
    async (run) => {
      await startStore(tools, run);
      await startAgent(run);
    },
    async (run) => {
      await startContainerd(run);
      if (await importImages(images, run)) run.say("images are on the node");
      await startNode(tools, await control, run);
    },
    async (run) => {
      const api = await control;
      await startDns(tools, run);
      await applyStorageClass(api, run);
      await applyCnpg(tools, api, run);
      await waitForCnpg(api, run);
      api.close();
    },
  );
};

/**
 * Returns when CNPG and the store answer. A healthy cluster is left as it is, a damaged one is mended; the first time on a
 * machine everything is built, which takes minutes.
 */
export const up = async (options: BuildOptions = {}): Promise<void> => {
  const run = startRun(options);
  if (isExternal) {
    run.say("using the cluster that the environment names");
    return;
  }
  const artifacts = await build({ ...options, say: run.say });
  await alone("cluster", run, async () => {
    const started = performance.now();
    const before = new Set((await findProcesses()).map(({ pid }) => pid));
    await startAll(artifacts, run);
    const fresh = (await findProcesses()).filter(({ pid, isMain }) => isMain && !before.has(pid));
    const what = fresh.length === 0 ? "was up already" : `is up (started ${fresh.map(({ name }) => name).join(", ")})`;
    run.say(`the cluster ${what}, ${seconds(performance.now() - started)}`);
  });
};
