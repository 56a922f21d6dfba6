// Puts our native sidecar into instance Pods and recovery Jobs, as an RFC 6902 patch. A function of its inputs alone and
// idempotent on its own output: CNPG runs it many times a minute and restarts PostgreSQL when the result differs. Pure.
import { createPatch, type Operation } from "rfc6902";
import type { Cluster } from "#cnpg/cluster.ts";
import {
  pluginName,
  readPluginConfig,
  type PluginConfig,
  type StoreChoice,
  type StoreReference,
} from "#cnpg/plugin-config.ts";
import type { EnvVar, SidecarConfig, StoreSidecarSettings } from "#cnpg/sidecar-config.ts";
import { makeSpoolVolume, spoolDirectory, spoolVolumeName, withSpoolVolume, type Volume } from "./spool-volume.ts";

export const sidecarName = "holdfast";
export const pluginDirectory = "/plugins";
/** The server's socket. CNPG takes every file in the folder for a plugin of that name. */
export const socketPath = `${pluginDirectory}/${pluginName}`;
/** Our part of CNPG's scratch volume: TMPDIR, to be made at start, because the image's own file system is read-only. */
export const scratchDirectory = "/controller/holdfast";

const postgresContainer = "postgres";
/** From CNPG 1.31 on, this init container of the instance Pod does what the bootstrap Jobs did. */
const bootstrapContainer = "bootstrap-instance";
const recoveryRoles: ReadonlySet<string> = new Set(["full-recovery", "snapshot-recovery"]);
const jobRoleLabel = "cnpg.io/jobRole";
const podRoleLabel = "cnpg.io/podRole";

/** The parts of Kubernetes' types that are touched; all other fields pass through. */
interface Mount {
  readonly name: string;
  readonly mountPath: string;
}

interface Container {
  readonly name: string;
  readonly env?: readonly EnvVar[];
  readonly volumeMounts?: readonly Mount[];
  readonly securityContext?: Readonly<Record<string, unknown>>;
}

interface PodSpec {
  readonly containers?: readonly Container[];
  readonly initContainers?: readonly Container[];
  readonly volumes?: readonly Volume[];
}

interface Metadata {
  readonly labels?: Readonly<Record<string, string>>;
}

interface Pod {
  readonly kind: "Pod";
  readonly metadata?: Metadata;
  readonly spec?: PodSpec;
}

interface Job {
  readonly kind: "Job";
  readonly metadata?: Metadata;
  readonly spec?: { readonly template?: { readonly metadata?: Metadata; readonly spec?: PodSpec } };
}

/** A Pod or Job as CNPG sends it, parsed. */
export type Workload = Pod | Job;

export interface SidecarInputs {
  readonly config: SidecarConfig;
  /** Settings of a store in the Cluster's namespace; undefined when the store does not exist or has none. */
  readonly settingsOf: (store: StoreReference) => StoreSidecarSettings | undefined;
}

export type Injection =
  /** No operations: the workload is as it should be. */
  | { readonly kind: "patch"; readonly operations: readonly Operation[]; readonly why: string }
  | { readonly kind: "impossible"; readonly why: string };

export function planInjection(workload: Workload, cluster: Cluster, inputs: SidecarInputs): Injection {
  const plugin = readPluginConfig(cluster);
  const need = workload.kind === "Pod" ? podNeed(workload, plugin) : jobNeed(workload, plugin);
  if (need.mainContainer === undefined) return { kind: "patch", operations: [], why: need.why };
  const spec = (workload.kind === "Pod" ? workload.spec : workload.spec?.template?.spec) ?? {};
  const main = spec.containers?.find((container) => container.name === need.mainContainer);
  if (main === undefined) {
    return { kind: "impossible", why: `the ${workload.kind} has no container ${need.mainContainer}` };
  }
  const { changed, insertion } = changeSpec(spec, main, { cluster, inputs, stores: need.stores });
  const after: Workload =
    workload.kind === "Pod"
      ? { ...workload, spec: changed }
      : { ...workload, spec: { ...workload.spec, template: { ...workload.spec?.template, spec: changed } } };
  const path = workload.kind === "Pod" ? "/spec/initContainers" : "/spec/template/spec/initContainers";
  // Inserted by an operation of its own: the general difference of two lists may rewrite one container into another.
  const added = insertion.map(
    ({ index, sidecar }) => ({ op: "add", path: `${path}/${index}`, value: sidecar }) as const,
  );
  return { kind: "patch", operations: [...createPatch(workload, after), ...added], why: need.why };
}

interface Need {
  /** The container that our sidecar serves; absent when no sidecar is needed. */
  readonly mainContainer?: string;
  readonly why: string;
  /** Whose settings count, the first before the later. */
  readonly stores: readonly (StoreChoice | undefined)[];
}

function podNeed(pod: Pod, { own, recoverySource, replicaSource }: PluginConfig): Need {
  const role = pod.metadata?.labels?.[podRoleLabel];
  if (role !== undefined && role !== "instance") return { why: `the Pod is a ${role}`, stores: [] };
  const stores = [own, recoverySource, replicaSource];
  const need = (why: string): Need => ({ mainContainer: postgresContainer, why, stores });
  if (own !== undefined) return need(`${pluginName} is enabled in spec.plugins`);
  if (replicaSource !== undefined) return need(`spec.replica.source uses ${pluginName}`);
  const bootstraps = pod.spec?.initContainers?.some((container) => container.name === bootstrapContainer) ?? false;
  if (bootstraps && recoverySource !== undefined) return need(`the Pod recovers by ${pluginName}`);
  return { why: `the Cluster's instances do not use ${pluginName}`, stores: [] };
}

function jobNeed(job: Job, { own, recoverySource, replicaSource }: PluginConfig): Need {
  const role = job.spec?.template?.metadata?.labels?.[jobRoleLabel] ?? job.metadata?.labels?.[jobRoleLabel] ?? "";
  if (!recoveryRoles.has(role)) return { why: "the Job recovers nothing", stores: [] };
  if (recoverySource === undefined) return { why: `the Job recovers by other means than ${pluginName}`, stores: [] };
  // CNPG names the only container of such a Job after its role.
  return {
    mainContainer: role,
    why: `the Job recovers by ${pluginName}`,
    stores: [recoverySource, own, replicaSource],
  };
}

interface Making {
  readonly cluster: Cluster;
  readonly inputs: SidecarInputs;
  readonly stores: readonly (StoreChoice | undefined)[];
}

interface Change {
  /** The spec but for a sidecar that is still to be inserted. */
  readonly changed: PodSpec;
  readonly insertion: readonly { readonly index: number; readonly sidecar: Container }[];
}

function changeSpec(spec: PodSpec, main: Container, making: Making): Change {
  // Another plugin may have brought the volume, under a name of its own.
  const volume = main.volumeMounts?.find((mount) => mount.mountPath === pluginDirectory)?.name ?? "plugins";
  const mounted = withMount(main, volume);
  const volumes = spec.volumes ?? [];
  const bootstrapsInPod = (container: Container): Container =>
    container.name === bootstrapContainer ? withMount(container, volume) : container;
  const { initContainers, insertion } = place(
    spec.initContainers?.map(bootstrapsInPod) ?? [],
    makeSidecar(mounted, making),
  );
  const withSockets = volumes.some(({ name }) => name === volume)
    ? volumes
    : [...volumes, { name: volume, emptyDir: {} }];
  const changed = {
    ...spec,
    volumes: withSpoolVolume(withSockets, spoolOf(making)),
    containers: spec.containers?.map((container) => (container === main ? mounted : container)) ?? [],
    initContainers,
  };
  return { changed, insertion };
}

const withMount = (container: Container, volume: string): Container =>
  container.volumeMounts?.some((mount) => mount.mountPath === pluginDirectory) === true
    ? container
    : { ...container, volumeMounts: [...(container.volumeMounts ?? []), { name: volume, mountPath: pluginDirectory }] };

/** In place of an earlier one, else last; but before the init container that recovers through us. */
function place(
  containers: readonly Container[],
  sidecar: Container,
): { readonly initContainers: readonly Container[] } & Pick<Change, "insertion"> {
  const earlier = containers.findIndex((container) => container.name === sidecarName);
  const bootstrap = containers.findIndex((container) => container.name === bootstrapContainer);
  if (earlier >= 0 && (bootstrap < 0 || earlier < bootstrap)) {
    return { initContainers: containers.with(earlier, sidecar), insertion: [] };
  }
  const initContainers = containers.filter((container) => container.name !== sidecarName);
  return { initContainers, insertion: [{ index: bootstrap < 0 ? initContainers.length : bootstrap, sidecar }] };
}

/** Each store once, in the order in which they count. */
function storesOf(choices: Making["stores"]): readonly StoreReference[] {
  const stores = choices.flatMap((choice) => (choice?.kind === "store" ? choice.store : []));
  const isFirst = ({ kind, name }: StoreReference, at: number): boolean =>
    stores.findIndex((other) => other.kind === kind && other.name === name) === at;
  return stores.filter(isFirst);
}

/** The first Stanza says which; ObjectStores need none. */
function spoolOf({ inputs, stores }: Making): Volume | undefined {
  const stanza = storesOf(stores).find(({ kind }) => kind === "Stanza");
  return stanza && makeSpoolVolume(inputs.settingsOf(stanza)?.spool);
}

function makeSidecar(main: Container, making: Making): Container {
  const {
    cluster,
    inputs: { config, settingsOf },
    stores,
  } = making;
  const settings = storesOf(stores).flatMap((store) => settingsOf(store) ?? []);
  const first = <Key extends keyof StoreSidecarSettings>(key: Key) =>
    settings.find((one) => one[key] !== undefined)?.[key];
  const imagePullPolicy = cluster.spec.imagePullPolicy ?? config.imagePullPolicy;
  const sidecar = {
    name: sidecarName,
    image: config.image,
    ...(imagePullPolicy === undefined ? {} : { imagePullPolicy }),
    command: config.command,
    // A native sidecar: started before PostgreSQL, ended after it.
    restartPolicy: "Always",
    env: makeEnv(
      main,
      cluster,
      [
        { name: "TMPDIR", value: scratchDirectory },
        { name: "HOLDFAST_LOG_LEVEL", value: first("logLevel") ?? config.logLevel },
      ],
      [...config.env, ...settings.flatMap(({ env }) => env ?? [])],
    ),
    resources: first("resources") ?? config.resources,
    // The socket appears when the server is ready. CNPG looks for it only once, when PostgreSQL's container starts.
    startupProbe: {
      exec: { command: ["/usr/bin/test", "-S", socketPath] },
      periodSeconds: 1,
      timeoutSeconds: 5,
      failureThreshold: 120,
    },
    securityContext: restrict(main.securityContext ?? {}),
    volumeMounts: [
      ...(main.volumeMounts ?? []).filter(({ mountPath }) => !isHidden(mountPath)),
      ...(spoolOf(making) === undefined ? [] : [{ name: spoolVolumeName, mountPath: spoolDirectory }]),
    ],
  };
  return sidecar;
}

/** What CNPG tells the main container about the instance. */
const instanceVariables = ["PGDATA", "POD_NAME", "NAMESPACE", "CLUSTER_NAME", "PGHOST", "PGPORT"];

/**
 * Ours, then the instance's, then what the Cluster gives to its containers (proxies, time zone), then the operator's and
 * the stores'; the first of a name counts. Not all of the main container's: what a mutating webhook added there would
 * come and go.
 */
function makeEnv(
  main: Container,
  cluster: Cluster,
  own: readonly EnvVar[],
  configured: readonly EnvVar[],
): readonly EnvVar[] {
  const wanted: ReadonlySet<string> = new Set([...instanceVariables, ...cluster.spec.env]);
  const inherited = (main.env ?? []).filter(({ name }) => wanted.has(name));
  const byName = new Map<string, EnvVar>();
  for (const variable of [...own, ...inherited, ...configured]) {
    if (!byName.has(variable.name)) byName.set(variable.name, variable);
  }
  return [...byName.values()];
}

/**
 * Folders of the main container that the sidecar has no business with: PostgreSQL's shared memory, the extensions'
 * programs, and the scratch volume's second mount (CNPG compares mounts by volume name, so one volume has one).
 */
const isHidden = (mountPath: string): boolean =>
  mountPath === "/dev/shm" || mountPath === "/run" || mountPath.startsWith("/extensions/");

/** The main container's user and profiles, so that files are shared, under the restricted Pod Security Standard. */
const restrict = (main: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> => ({
  ...main,
  allowPrivilegeEscalation: false,
  capabilities: { drop: ["ALL"] },
  privileged: false,
  readOnlyRootFilesystem: true,
  runAsNonRoot: true,
});
