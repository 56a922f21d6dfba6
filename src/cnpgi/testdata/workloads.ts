// What tests of the sidecar's injection share. Pod and Job beside this file are what CloudNativePG 1.30.0 builds for the Cluster
// beside them.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { applyPatch } from "rfc6902";
import { expect } from "vitest";
import { decodeCluster } from "#cnpg/cluster.ts";
import type { SidecarConfig, StoreSidecarSettings } from "#cnpg/sidecar-config.ts";
import { planInjection, sidecarName, type SidecarInputs, type Workload } from "../sidecar.ts";

export const testdata = import.meta.dirname;
const read = (name: string): Loose => JSON.parse(readFileSync(join(testdata, name), "utf8"));

// Objects of Kubernetes with the fields that a test happens to look at.
// oxlint-disable-next-line typescript/no-explicit-any
export type Loose = any;

export const clusterJson: Loose = read("cluster.json");
export const aCluster = (spec: object = {}) =>
  decodeCluster({ ...clusterJson, spec: { ...clusterJson.spec, ...spec } });
export const aPod = (change: (pod: Loose) => void = () => undefined): Loose => changed(read("pod.json"), change);
export const aJob = (change: (job: Loose) => void = () => undefined): Loose => changed(read("job.json"), change);

function changed(object: Loose, change: (object: Loose) => void): Loose {
  change(object);
  return object;
}

export const config: SidecarConfig = {
  image: "ghcr.io/example/holdfast:1.2.3",
  command: ["/usr/local/bin/node", "/app/instance.js"],
  resources: { requests: { cpu: "10m", memory: "128Mi" } },
  env: [],
  logLevel: "info",
};
export const inputs = (
  settings: Record<string, StoreSidecarSettings> = {},
  change: Partial<SidecarConfig> = {},
): SidecarInputs => ({
  config: { ...config, ...change },
  settingsOf: ({ name }) => settings[name],
});

export function inject(workload: Workload, cluster = aCluster(), given = inputs()) {
  const injection = planInjection(workload, cluster, given);
  if (injection.kind === "impossible") throw new Error(injection.why);
  const after: Loose = structuredClone(workload);
  expect(applyPatch(after, [...injection.operations]).filter((failure) => failure !== null)).toEqual([]);
  return { after, ...injection };
}

export const podSpec = (workload: Loose): Loose =>
  workload.kind === "Pod" ? workload.spec : workload.spec.template.spec;
export const sidecarOf = (workload: Loose): Loose =>
  podSpec(workload).initContainers.find((container: Loose) => container.name === sidecarName);
export const envOf = (workload: Loose): Record<string, string> =>
  Object.fromEntries(sidecarOf(workload).env.map(({ name, value }: Loose) => [name, value]));

/** Specs of Clusters that use Stanzas. */
export const archivesToStanza = { plugins: [{ name: "holdfast.dev", parameters: { stanza: "main" } }] };
export const recoversFromStanza = {
  externalClusters: [{ name: "origin", plugin: { name: "holdfast.dev", parameters: { stanza: "origin" } } }],
};
