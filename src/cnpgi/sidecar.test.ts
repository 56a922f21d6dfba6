// Pod and Job in testdata are what CloudNativePG 1.30.0 builds for the Cluster beside them. The .patch.yaml files are
// ours; `vitest run -u` rewrites them, and the difference is to be read as what would restart every database.
import { join } from "node:path";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { stringify } from "yaml";
import type { StoreSidecarSettings } from "#cnpg/sidecar-config.ts";
import { planInjection, type Workload } from "./sidecar.ts";
import {
  aCluster,
  aJob,
  aPod,
  archivesToStanza,
  clusterJson,
  config,
  envOf,
  inject,
  inputs,
  podSpec,
  recoversFromStanza,
  sidecarOf,
  testdata,
  type Loose,
} from "./testdata/workloads.ts";

/** The layout of CNPG 1.31: bootstrap in the instance Pod, the API token as a mount. */
function bootstrapsInPod(pod: Loose): void {
  const token = { name: "kube-api-access", mountPath: "/var/run/secrets/kubernetes.io/serviceaccount", readOnly: true };
  pod.spec.automountServiceAccountToken = false;
  pod.spec.volumes.push({ name: "kube-api-access", projected: { sources: [] } });
  pod.spec.containers[0].volumeMounts.push(token);
  const { env, image, volumeMounts } = pod.spec.containers[0];
  pod.spec.initContainers.push({ name: "bootstrap-instance", image, env, volumeMounts: structuredClone(volumeMounts) });
}

/** The plugin volume and sidecar of another plugin, which came first. */
function hasOtherPlugin(pod: Loose): void {
  pod.spec.volumes.push({ name: "plugins", emptyDir: {} });
  pod.spec.containers[0].volumeMounts.push({ name: "plugins", mountPath: "/plugins" });
  pod.spec.initContainers.push({ name: "plugin-barman-cloud", image: "other", restartPolicy: "Always" });
}

const layouts: readonly [string, Loose][] = [
  ["pod", aPod()],
  ["job", aJob()],
  ["bootstrap-instance", aPod(bootstrapsInPod)],
  ["other-plugin", aPod(hasOtherPlugin)],
];

describe("the patch", () => {
  it.each(layouts)("of the layout %s is the one that was reviewed", async (name, workload) => {
    const text = stringify(inject(workload).operations, { aliasDuplicateObjects: false });
    await expect(text).toMatchFileSnapshot(join(testdata, `${name}.patch.yaml`));
  });

  it.each(layouts)("is empty on its own outcome in the layout %s", (_, workload) => {
    const { after, operations } = inject(workload);
    expect(operations).not.toEqual([]);
    expect(inject(after).operations).toEqual([]);
  });

  it("leaves the input as it was", () => {
    const pod = aPod();
    inject(pod);
    expect(pod).toEqual(aPod());
  });

  it("is stable under any order of plugins, settings and changes of the sidecar", () => {
    const variable = fc.record({ name: fc.stringMatching(/^[A-Z]{1,3}$/), value: fc.string() });
    const settings = fc.record(
      {
        env: fc.array(variable, { maxLength: 4 }),
        resources: fc.record({ limits: fc.record({ memory: fc.constantFrom("1Gi", "2Gi") }) }),
        logLevel: fc.constantFrom("debug" as const, "error" as const),
      },
      { requiredKeys: [] },
    );
    const layout = fc.constantFrom(...layouts.map(([, workload]) => workload));
    const image = fc.constantFrom("a:1", "b:2");
    const cluster = fc.constantFrom(aCluster(), aCluster(archivesToStanza), aCluster(recoversFromStanza));
    const volume = fc.option(
      fc.constantFrom({ size: "1Gi" }, { size: "1024Mi" }, { size: "2Gi", storageClass: "fast" }),
      { nil: undefined },
    );
    const state = fc.record({ cluster, settings, volume });
    fc.assert(
      fc.property(layout, state, state, image, (workload, before, now, name) => {
        const given = ({ settings, volume }: typeof now, change = {}) => {
          const ofStanza = { ...settings, ...(volume && { spool: volume }) };
          return inputs({ minio: settings, main: ofStanza, origin: ofStanza }, change);
        };
        const earlier = inject(workload, before.cluster, given(before)).after;
        const current = given(now, { image: name });
        const upgraded = inject(earlier, now.cluster, current).after;
        // Upgrading an injected Pod and injecting a bare one come to the same, and then nothing is left to do.
        expect(upgraded).toEqual(inject(workload, now.cluster, current).after);
        expect(inject(upgraded, now.cluster, current).operations).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });
});

describe("where the sidecar goes", () => {
  const noPlugins = { plugins: [] };
  const disabled = { plugins: [{ ...clusterJson.spec.plugins[0], enabled: false }] };
  const noRecovery = { bootstrap: {} };
  const wrong = { plugins: [{ name: "holdfast.dev" }] };
  const replica = { replica: { primary: "x", source: "origin" } };
  const role = (name: string) => (job: Loose) => {
    job.metadata.labels["cnpg.io/jobRole"] = name;
    job.spec.template.metadata.labels["cnpg.io/jobRole"] = name;
    job.spec.template.spec.containers[0].name = name;
  };
  type Case = readonly [name: string, workload: Workload, spec: object, why: string];
  const injected: readonly Case[] = [
    ["an instance of a Cluster that lists us", aPod(), noRecovery, "holdfast.dev is enabled in spec.plugins"],
    ["an instance whose parameters are wrong", aPod(), wrong, "holdfast.dev is enabled in spec.plugins"],
    [
      "an instance that follows another site by us",
      aPod(),
      { ...noPlugins, ...replica },
      "spec.replica.source uses holdfast.dev",
    ],
    ["an instance that recovers itself by us", aPod(bootstrapsInPod), noPlugins, "the Pod recovers by holdfast.dev"],
    ["a recovery Job", aJob(), noPlugins, "the Job recovers by holdfast.dev"],
    [
      "a Job that recovers from a volume snapshot",
      aJob(role("snapshot-recovery")),
      {},
      "the Job recovers by holdfast.dev",
    ],
  ];
  it.each(injected)("%s gets one", (_, workload, spec, why) => {
    const { after, operations, why: told } = inject(workload, aCluster(spec));
    expect(told).toBe(why);
    expect(operations).not.toEqual([]);
    expect(sidecarOf(after)).toBeDefined();
  });

  const unused = "the Cluster's instances do not use holdfast.dev";
  const bare: readonly Case[] = [
    ["an instance whose Cluster was recovered by us", aPod(), noPlugins, unused],
    [
      "an instance that bootstraps itself by other means",
      aPod(bootstrapsInPod),
      { ...noPlugins, ...noRecovery },
      unused,
    ],
    ["an instance of a Cluster that has switched us off", aPod(), { ...disabled, ...noRecovery }, unused],
    ["a pooler", aPod((pod) => (pod.metadata.labels["cnpg.io/podRole"] = "pooler")), {}, "the Pod is a pooler"],
    ["a Job that recovers by other means", aJob(), noRecovery, "the Job recovers by other means than holdfast.dev"],
    ["a Job that makes a new database", aJob(role("initdb")), {}, "the Job recovers nothing"],
    ["a Job that clones a replica", aJob(role("join")), {}, "the Job recovers nothing"],
  ];
  it.each(bare)("%s gets none", (_, workload, spec, why) => {
    expect(inject(workload, aCluster(spec))).toMatchObject({ operations: [], why });
  });

  it("is refused when the container to serve is missing", () => {
    const pod = aPod((object) => (object.spec.containers[0].name = "other"));
    expect(planInjection(pod, aCluster(), inputs())).toEqual({
      kind: "impossible",
      why: "the Pod has no container postgres",
    });
  });

  const order = (workload: Loose): string[] => podSpec(workload).initContainers.map(({ name }: Loose) => name);

  it("is after CNPG's bootstrap, and before the container that recovers through it", () => {
    expect(order(inject(aPod()).after)).toEqual(["bootstrap-controller", "holdfast"]);
    const { after } = inject(aPod(bootstrapsInPod));
    expect(order(after)).toEqual(["bootstrap-controller", "holdfast", "bootstrap-instance"]);
    const bootstrap = after.spec.initContainers[2];
    expect(bootstrap.volumeMounts).toContainEqual({ name: "plugins", mountPath: "/plugins" });
  });

  it("moves forward when an earlier one stands behind the container that recovers", () => {
    const pod = inject(aPod()).after;
    const [controller, sidecar] = pod.spec.initContainers;
    pod.spec.initContainers = [controller, { name: "bootstrap-instance" }, { ...sidecar, image: "old" }];
    const { after } = inject(pod);
    expect(order(after)).toEqual(["bootstrap-controller", "holdfast", "bootstrap-instance"]);
    expect(sidecarOf(after).image).toBe(config.image);
  });

  it("keeps its place between other plugins' sidecars", () => {
    const pod = inject(aPod()).after;
    pod.spec.initContainers.push({ name: "plugin-late" });
    expect(inject(pod).operations).toEqual([]);
  });

  it("shares the plugin volume under the name that another plugin gave it", () => {
    const pod = aPod((object) => {
      object.spec.volumes.push({ name: "sockets", emptyDir: {} });
      object.spec.containers[0].volumeMounts.push({ name: "sockets", mountPath: "/plugins" });
    });
    const { after } = inject(pod);
    expect(after.spec.volumes).toEqual(pod.spec.volumes);
    expect(sidecarOf(after).volumeMounts).toContainEqual({ name: "sockets", mountPath: "/plugins" });
  });

  it("works on a Pod without volumes and init containers", () => {
    const bare: Loose = { kind: "Pod", spec: { containers: [{ name: "postgres" }] } };
    const { after } = inject(bare);
    expect(after.spec.volumes).toEqual([{ name: "plugins", emptyDir: {} }]);
    expect(order(after)).toEqual(["holdfast"]);
    expect(inject(after).operations).toEqual([]);
  });
});

describe("the sidecar's container", () => {
  it("sees PostgreSQL's volumes and the API token, and not its shared memory, extensions or a second scratch mount", () => {
    const pod = aPod((object) => {
      bootstrapsInPod(object);
      object.spec.containers[0].volumeMounts.push({ name: "ext-vector", mountPath: "/extensions/vector" });
    });
    expect(sidecarOf(inject(pod).after).volumeMounts.map(({ mountPath }: Loose) => mountPath)).toEqual([
      "/var/lib/postgresql/data",
      "/controller",
      "/var/lib/postgresql/wal",
      "/projected",
      "/var/lib/postgresql/tablespaces/big_data",
      "/var/run/secrets/kubernetes.io/serviceaccount",
      "/plugins",
    ]);
  });

  it("knows the instance, has a TMPDIR of its own and takes nothing that a webhook slipped into PostgreSQL's", () => {
    const pod = aPod((object) => object.spec.containers[0].env.push({ name: "AGENT_KEY", value: "x" }));
    expect(envOf(inject(pod).after)).toEqual({
      TMPDIR: "/controller/holdfast",
      HOLDFAST_LOG_LEVEL: "info",
      PGDATA: "/var/lib/postgresql/data/pgdata",
      POD_NAME: "pg-1",
      NAMESPACE: "db",
      CLUSTER_NAME: "pg",
      PGPORT: "5432",
      PGHOST: "/controller/run",
      HTTPS_PROXY: "http://proxy:3128",
    });
  });

  const originToo = {
    externalClusters: [
      { name: "origin", plugin: { name: "holdfast.dev", parameters: { objectStore: "origin", serverName: "old" } } },
    ],
  };
  const settings: Record<string, StoreSidecarSettings> = {
    minio: {
      env: [
        { name: "HTTPS_PROXY", value: "of the store" },
        { name: "AWS_PROFILE", value: "own" },
        { name: "POD_NAME", value: "forged" },
      ],
      resources: { limits: { memory: "1Gi" } },
    },
    origin: {
      env: [{ name: "AWS_PROFILE", value: "origin" }],
      logLevel: "debug",
      resources: { limits: { memory: "2Gi" } },
    },
  };

  it("takes the stores' settings, the own store's before the source's, and never over the instance's", () => {
    const { after } = inject(aPod(), aCluster(originToo), inputs(settings));
    expect(envOf(after)).toMatchObject({
      HTTPS_PROXY: "http://proxy:3128",
      AWS_PROFILE: "own",
      POD_NAME: "pg-1",
      HOLDFAST_LOG_LEVEL: "debug",
    });
    expect(sidecarOf(after).resources).toEqual({ limits: { memory: "1Gi" } });
  });

  it("takes the source's settings first in a recovery Job", () => {
    const { after } = inject(aJob(), aCluster(originToo), inputs(settings));
    expect(envOf(after)).toMatchObject({ AWS_PROFILE: "origin", POD_NAME: "pg-1-full-recovery" });
    expect(sidecarOf(after).resources).toEqual({ limits: { memory: "2Gi" } });
  });

  it("takes the pull policy of the Cluster, else the operator's, else none", () => {
    const policy = (cluster: object, ours: object): unknown =>
      sidecarOf(inject(aPod(), aCluster(cluster), inputs({}, ours)).after).imagePullPolicy;
    expect(policy({ imagePullPolicy: "Always" }, { imagePullPolicy: "Never" })).toBe("Always");
    expect(policy({ imagePullPolicy: "" }, { imagePullPolicy: "Never" })).toBe("Never");
    expect(policy({ imagePullPolicy: "" }, {})).toBeUndefined();
  });

  it("runs as PostgreSQL's user with no more rights than the restricted standard, whatever PostgreSQL has", () => {
    const pod = aPod((object) => {
      object.spec.containers[0].securityContext = {
        runAsUser: 1001,
        privileged: true,
        capabilities: { add: ["SYS_ADMIN"] },
        readOnlyRootFilesystem: false,
      };
    });
    expect(sidecarOf(inject(pod).after).securityContext).toEqual({
      runAsUser: 1001,
      allowPrivilegeEscalation: false,
      capabilities: { drop: ["ALL"] },
      privileged: false,
      readOnlyRootFilesystem: true,
      runAsNonRoot: true,
    });
    expect(sidecarOf(inject(aPod()).after).securityContext).not.toHaveProperty("runAsUser");
  });
});
