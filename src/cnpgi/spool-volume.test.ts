import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { stringify } from "yaml";
import type { StoreSidecarSettings } from "#cnpg/sidecar-config.ts";
import { sidecarName } from "./sidecar.ts";
import {
  aCluster,
  aJob,
  aPod,
  archivesToStanza,
  envOf,
  inject,
  inputs,
  podSpec,
  recoversFromStanza,
  sidecarOf,
  testdata,
  type Loose,
} from "./testdata/workloads.ts";
import { canonicalSize } from "./spool-volume.ts";

const spool = { size: "2Gi", storageClass: "fast" };
const layouts: readonly [string, Loose, object, Record<string, StoreSidecarSettings>][] = [
  ["stanza-pod", aPod(), archivesToStanza, {}],
  ["stanza-pod-with-volume", aPod(), archivesToStanza, { main: { spool } }],
  ["stanza-job", aJob(), recoversFromStanza, { origin: { spool: { size: "500Mi" } } }],
];

describe("the spool's volume", () => {
  const volumeOf = (workload: Loose): Loose =>
    podSpec(workload).volumes.find(({ name }: Loose) => name === "holdfast-spool");
  const injected = (spec: object, settings: Record<string, StoreSidecarSettings> = {}) =>
    inject(aPod(), aCluster(spec), inputs(settings)).after;

  it.each(layouts)("is in the patch of the layout %s as it was reviewed", async (name, workload, spec, settings) => {
    const { operations, after } = inject(workload, aCluster(spec), inputs(settings));
    const text = stringify(operations, { aliasDuplicateObjects: false });
    await expect(text).toMatchFileSnapshot(join(testdata, `${name}.patch.yaml`));
    expect(inject(after, aCluster(spec), inputs(settings)).operations).toEqual([]);
  });

  it("is seen by the sidecar alone", () => {
    const { containers, initContainers } = injected(archivesToStanza).spec;
    const others = [...containers, ...initContainers.filter(({ name }: Loose) => name !== sidecarName)];
    const mount = { name: "holdfast-spool", mountPath: "/spool" };
    expect(sidecarOf(injected(archivesToStanza)).volumeMounts).toContainEqual(mount);
    for (const { volumeMounts = [] } of others) expect(volumeMounts).not.toContainEqual(mount);
  });

  it("is there for a Stanza that is only recovered from or followed, and not for ObjectStores", () => {
    expect(volumeOf(injected(recoversFromStanza))).toEqual({ name: "holdfast-spool", emptyDir: { sizeLimit: "1Gi" } });
    expect(volumeOf(injected({}))).toBeUndefined();
  });

  it("is what the Stanza says that the Cluster archives to, whatever its source says", () => {
    const both = { ...archivesToStanza, ...recoversFromStanza };
    expect(volumeOf(injected(both, { origin: { spool } }))).toHaveProperty("emptyDir");
    expect(volumeOf(injected(both, { main: { spool } }))).toHaveProperty("ephemeral");
  });

  it("is left as it is in the words that CloudNativePG sends it back in", () => {
    const settings = { main: { spool: { size: "2048Mi" } } };
    const pod = injected(archivesToStanza, settings);
    volumeOf(pod).ephemeral.volumeClaimTemplate = {
      metadata: { creationTimestamp: null },
      spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "2Gi" } } },
    };
    expect(inject(pod, aCluster(archivesToStanza), inputs(settings)).operations).toEqual([]);
  });

  it("follows the Stanza's settings as the container does", () => {
    const settings = { main: { resources: { limits: { memory: "1Gi" } }, logLevel: "debug" as const } };
    const pod = injected(archivesToStanza, settings);
    expect(sidecarOf(pod).resources).toEqual({ limits: { memory: "1Gi" } });
    expect(envOf(pod)).toMatchObject({ HOLDFAST_LOG_LEVEL: "debug" });
  });
});

it.each([
  ["1Gi", "1Gi"],
  ["1024Mi", "1Gi"],
  ["1536Mi", "1536Mi"],
  ["2097152Mi", "2Ti"],
  ["1G", "1G"],
])("writes %s as Kubernetes does: %s", (size, canonical) => {
  expect(canonicalSize(size)).toBe(canonical);
});
