// Provisions volumes of StorageClass `local`: a folder on this machine a claim. The decision is pure (`planVolumes`), the
// loop looks at everything whenever a claim or a volume changes.
import { chmod, mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { describeError } from "./errors.ts";
import { type KubeApi, type KubeObject, KubeStatusError, openKubeApi } from "./kube-api.ts";
import { volumesRoot } from "./paths.ts";
import type { Run } from "./run.ts";

export const provisionerName = "holdfast.dev/local";
export const storageClassName = "local";

export interface Claim extends KubeObject {
  readonly spec: {
    readonly storageClassName?: string;
    readonly accessModes: readonly string[];
    readonly volumeMode?: string;
    readonly resources: { readonly requests: Readonly<Record<string, string>> };
  };
  readonly status: { readonly phase?: string };
}

export interface Volume extends KubeObject {
  readonly spec: { readonly hostPath?: { readonly path: string }; readonly persistentVolumeReclaimPolicy?: string };
  readonly status: { readonly phase?: string };
}

export interface VolumePlan {
  readonly create: readonly Claim[];
  readonly remove: readonly Volume[];
}

// The controller manager marks a claim for us, and we mark the volume, with these annotations.
const claimAnnotation = "volume.kubernetes.io/storage-provisioner";
const volumeAnnotation = "pv.kubernetes.io/provisioned-by";

const claimsPath = "/api/v1/persistentvolumeclaims";
const volumesPath = "/api/v1/persistentvolumes";

const volumeName = (claim: Claim): string => `pvc-${claim.metadata.uid}`;

export const planVolumes = (claims: readonly Claim[], volumes: readonly Volume[]): VolumePlan => {
  const names = new Set(volumes.map((volume) => volume.metadata.name));
  return {
    create: claims.filter(
      (claim) =>
        claim.status.phase === "Pending" &&
        claim.metadata.annotations?.[claimAnnotation] === provisionerName &&
        !names.has(volumeName(claim)),
    ),
    remove: volumes.filter(
      (volume) =>
        volume.metadata.annotations?.[volumeAnnotation] === provisionerName &&
        volume.status.phase === "Released" &&
        volume.spec.persistentVolumeReclaimPolicy === "Delete",
    ),
  };
};

const folderOf = (claim: Claim): string =>
  join(volumesRoot, `${claim.metadata.namespace}-${claim.metadata.name}-${claim.metadata.uid}`);

const volumeFor = (claim: Claim): object => ({
  apiVersion: "v1",
  kind: "PersistentVolume",
  metadata: { name: volumeName(claim), annotations: { [volumeAnnotation]: provisionerName } },
  spec: {
    storageClassName: claim.spec.storageClassName,
    accessModes: claim.spec.accessModes,
    volumeMode: claim.spec.volumeMode,
    capacity: claim.spec.resources.requests,
    persistentVolumeReclaimPolicy: "Delete",
    claimRef: {
      apiVersion: "v1",
      kind: "PersistentVolumeClaim",
      namespace: claim.metadata.namespace,
      name: claim.metadata.name,
      uid: claim.metadata.uid,
    },
    hostPath: { path: folderOf(claim) },
  },
});

const create = async (claim: Claim, api: KubeApi, run: Run): Promise<void> => {
  const folder = folderOf(claim);
  await mkdir(folder, { recursive: true });
  // Volumes of this type get no owner from the pod's fsGroup; whoever runs in the pod must be able to write.
  await chmod(folder, 0o777);
  await api.send(volumesPath, { method: "POST", body: volumeFor(claim), signal: run.signal });
};

const remove = async (volume: Volume, api: KubeApi, run: Run): Promise<void> => {
  const folder = volume.spec.hostPath?.path;
  if (folder?.startsWith(`${volumesRoot}/`) === true) await rm(folder, { recursive: true, force: true });
  try {
    await api.send(`${volumesPath}/${volume.metadata.name}`, { method: "DELETE", signal: run.signal });
  } catch (error) {
    // An earlier round deleted it, and the list was from just before.
    if (!(error instanceof KubeStatusError && error.status === 404)) throw error;
  }
};

const reconcile = async (api: KubeApi, run: Run): Promise<void> => {
  const options = { signal: run.signal };
  const claims = await api.get<{ items: Claim[] }>(claimsPath, options);
  const volumes = await api.get<{ items: Volume[] }>(volumesPath, options);
  const plan = planVolumes(claims.items, volumes.items);
  for (const claim of plan.create) await create(claim, api, run);
  for (const volume of plan.remove) await remove(volume, api, run);
};

/** Folders whose volume is gone, because the API was emptied or this program was away when it went. */
const removeStrayFolders = async (api: KubeApi, run: Run): Promise<void> => {
  const volumes = await api.get<{ items: Volume[] }>(volumesPath, { signal: run.signal });
  const used = new Set(volumes.items.map((volume) => volume.spec.hostPath?.path));
  for (const name of await readdir(volumesRoot)) {
    const folder = join(volumesRoot, name);
    if (!used.has(folder)) await rm(folder, { recursive: true, force: true });
  }
};

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Works until the signal fires. Trouble with the API server is logged and tried again a second later. */
export const provisionVolumes = async (run: Run): Promise<void> => {
  const api = openKubeApi();
  let wake = Promise.withResolvers<void>();
  const tell = (error: unknown): void => {
    if (!run.signal.aborted) run.say(describeError(error));
  };
  const follow = async (path: string): Promise<void> => {
    while (!run.signal.aborted) {
      await api.watch(path, () => wake.resolve(), run.signal).catch(tell);
      wake.resolve();
      await pause(1000);
    }
  };
  const work = async (): Promise<void> => {
    let tidied = false;
    while (!run.signal.aborted) {
      await wake.promise;
      wake = Promise.withResolvers<void>();
      try {
        if (!tidied) await removeStrayFolders(api, run);
        tidied = true;
        await reconcile(api, run);
      } catch (error) {
        tell(error);
        await pause(1000);
        wake.resolve();
      }
    }
  };
  await Promise.all([follow(claimsPath), follow(volumesPath), work()]);
};
