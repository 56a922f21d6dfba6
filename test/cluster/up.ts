// Brings the cluster up, or mends what is missing of it. Every step looks before it acts, so a second `up` only looks.
import { mkdir, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { buildAll, type Artifacts } from "./build.ts";
import type { Tools } from "./build-go.ts";
import { applyClusterObjects, applyCnpg, waitForCnpg } from "./cnpg.ts";
import { startControlPlane } from "./control-plane.ts";
import { startDns } from "./dns.ts";
import { importImages } from "./images.ts";
import { alone } from "./lock.ts";
import { prepareMachine } from "./machine.ts";
import { startStore } from "./minio.ts";
import { startContainerd, startNode } from "./node.ts";
import { repositoryRoot, userPrograms, stateRoot } from "./paths.ts";
import { makeCertificates } from "./pki.ts";
import { ensureHealthy, findProcesses } from "./processes.ts";
import { type Run, type RunOptions, seconds, startRun } from "./run.ts";
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
  const store = startStore(tools, run);
  const node = startContainerd(run).then(() => importImages(images, run));
  const controlPlane = startControlPlane(tools, run);
  // The first failure is thrown below; the others must not end the process before that.
  for (const work of [store, node, controlPlane]) work.catch(() => undefined);
  const api = await controlPlane;
  await Promise.all([
    store.then(() => startAgent(run)),
    startDns(tools, run),
    applyClusterObjects(api, run),
    applyCnpg(tools, api, run),
    node.then(() => startNode(tools, api, run)),
  ]);
  await waitForCnpg(api, run);
  api.close();
};

/** Returns when CNPG and the store answer. A healthy cluster is left as it is, a damaged one is mended. */
export const up = async (options: RunOptions = {}): Promise<void> => {
  const run = startRun(options);
  await alone(run, async () => {
    const artifacts = await buildAll(run);
    const started = performance.now();
    const before = new Set((await findProcesses()).map(({ pid }) => pid));
    await startAll(artifacts, run);
    const fresh = (await findProcesses()).filter(({ pid, isMain }) => isMain && !before.has(pid));
    const what = fresh.length === 0 ? "was up already" : `is up (started ${fresh.map(({ name }) => name).join(", ")})`;
    run.say(`the cluster ${what}, ${seconds(performance.now() - started)}`);
  });
};
