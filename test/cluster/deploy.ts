// Builds this tree's image and rolls the operator out with it: config/default as it stands, only the image named.
import { existsSync } from "node:fs";
import { chmod, mkdir, rm, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { importApplication } from "./app-image.ts";
import { bundle, distRoot } from "./bundle.ts";
import { cnpgNamespace, type Deployment, isRolledOut } from "./cnpg.ts";
import { command } from "./command.ts";
import { isExternal } from "./env.ts";
import { ClusterError } from "./errors.ts";
import { type KubeApi, KubeStatusError, openKubeApi } from "./kube-api.ts";
import { alone } from "./lock.ts";
import { certificatePath, kubeconfigPath, repositoryRoot, statePath, userPrograms } from "./paths.ts";
import { announced, type Run, type RunOptions, startRun, until } from "./run.ts";
import { imageNames } from "./settings.ts";

const deploymentPath = `/apis/apps/v1/namespaces/${cnpgNamespace}/deployments/holdfast`;
const rolloutTimeoutMs = 180_000;

const kubectl = (args: readonly string[], run: Run): Promise<string> =>
  command(join(userPrograms, "kubectl"), ["--kubeconfig", kubeconfigPath("admin"), ...args], { signal: run.signal });

/** A kustomization over `config`, because the image's tag is known only now. Kustomize wants relative paths. */
const applyConfiguration = async (config: string, image: string, run: Run): Promise<void> => {
  const folder = statePath("deploy");
  await mkdir(folder, { recursive: true });
  const [newName, newTag] = image.split(":");
  const kustomization = {
    resources: [relative(folder, config)],
    images: [{ name: "holdfast", newName, newTag }],
  };
  await writeFile(join(folder, "kustomization.yaml"), JSON.stringify(kustomization));
  await kubectl(["apply", "--server-side", "--force-conflicts", "-k", folder], run);
};

/** What a person would look at next when a rollout does not come to its end. */
const explainRollout = async (run: Run): Promise<string> => {
  const inNamespace = ["--namespace", cnpgNamespace];
  const selector = ["--selector", "app.kubernetes.io/name=holdfast"];
  const questions = [
    ["get", "pods", ...inNamespace, ...selector, "--output", "wide"],
    ["logs", ...inNamespace, ...selector, "--tail", "20", "--prefix", "--all-containers"],
    ["get", "events", ...inNamespace, "--field-selector", "type=Warning"],
  ];
  const answers = await Promise.all(
    questions.map((args) => kubectl(args, run).catch((error: unknown) => String(error))),
  );
  return answers.join("\n");
};

const waitForRollout = async (api: KubeApi, run: Run): Promise<void> => {
  const isDone = async (): Promise<boolean> => {
    const deployment = await api.find<Deployment>(deploymentPath, { signal: run.signal });
    return deployment !== undefined && isRolledOut(deployment);
  };
  try {
    const options = { signal: run.signal, timeoutMs: rolloutTimeoutMs, intervalMs: 250 };
    await until("deployment holdfast to be rolled out", isDone, options);
  } catch (cause) {
    run.signal.throwIfAborted();
    throw new ClusterError("Component", `the operator was not rolled out:\n${await explainRollout(run)}`, { cause });
  }
};

/**
 * The API server asks the operator before it stores an object of ours, and refuses all of them until it can: the operator
 * writes the authorities first, and a Service's endpoints come after the pods. Tried with a store that must be refused.
 */
const waitForAdmission = async (api: KubeApi, run: Run): Promise<void> => {
  const path = `/apis/holdfast.dev/v1alpha1/namespaces/${cnpgNamespace}/objectstores?dryRun=All`;
  const body = {
    apiVersion: "holdfast.dev/v1alpha1",
    kind: "ObjectStore",
    metadata: { name: "is-admission-there" },
    spec: { configuration: { destinationPath: "nowhere" } },
  };
  const isThere = async (): Promise<boolean> => {
    try {
      await api.send(path, { method: "POST", body, signal: run.signal, timeoutMs: 8_000 });
    } catch (error) {
      if (error instanceof KubeStatusError && error.message.includes("is not the URL of a bucket")) return true;
      throw error;
    }
    throw new Error("a store that must be refused was accepted");
  };
  const options = { signal: run.signal, timeoutMs: 60_000, intervalMs: 250 };
  await until("admission to answer", isThere, options);
};

/** `kubectl holdfast`, once the tree has it, runs from the bundle. */
const linkPlugin = async (): Promise<void> => {
  const program = join(distRoot, "kubectl-holdfast.js");
  const link = join(userPrograms, "kubectl-holdfast");
  await rm(link, { force: true });
  if (!existsSync(program)) return;
  await writeFile(link, `#!/bin/sh\nexec '${process.execPath}' '${program}' "$@"\n`);
  await chmod(link, 0o755);
};

export interface DeployOptions extends RunOptions {
  /** Kustomize folder to apply instead of config/default. */
  readonly config?: string;
}

/** Needs the cluster up. Gives the name of the image that now runs; an unchanged tree gives the same and restarts nothing. */
export const deploy = async (options: DeployOptions = {}): Promise<string> => {
  const run = startRun(options);
  if (isExternal) return imageNames.application;
  if (!existsSync(certificatePath("admin"))) {
    throw new ClusterError("Machine", "there is no cluster to deploy to", { hint: "npm run cluster -- up" });
  }
  return alone("cluster", run, async () => {
    await announced(run, "bundling src/cmd", bundle);
    const image = await announced(run, `building ${imageNames.application}`, () => importApplication(run));
    const api = openKubeApi();
    try {
      const config = options.config ?? join(repositoryRoot, "config", "default");
      await announced(run, `rolling out ${image}`, async () => {
        await applyConfiguration(config, image, run);
        await waitForRollout(api, run);
        await waitForAdmission(api, run);
      });
    } finally {
      api.close();
    }
    await linkPlugin();
    return image;
  });
};
