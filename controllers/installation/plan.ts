// The one object from which every replica takes what it injects: ConfigMap holdfast-sidecar. It changes only when the
// Deployment has finished rolling out, so that two versions side by side never roll pods back and forth. Pure.
import { isDeepStrictEqual } from "node:util";
import { parseSidecarConfig, sidecarDefaults, type ConfigMap, type SidecarConfig } from "#cnpg/sidecar-config.ts";
import type { KubeObject } from "#kube/object.ts";

export interface Deployment extends KubeObject {
  readonly spec?: {
    readonly replicas?: number;
    readonly template?: {
      readonly spec?: { readonly containers?: readonly { readonly name: string; readonly image?: string }[] };
    };
  };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly replicas?: number;
    readonly updatedReplicas?: number;
    readonly availableReplicas?: number;
  };
}

/** What is to be injected from now on; undefined when nothing is to be changed. */
export function planSidecar(
  deployment: Deployment | undefined,
  current: ConfigMap | undefined,
): SidecarConfig | undefined {
  const image = deployment?.spec?.template?.spec?.containers?.find((container) => container.name === "operator")?.image;
  if (deployment === undefined || image === undefined || !isRolledOut(deployment)) return undefined;
  const next = { ...sidecarDefaults, image };
  return current !== undefined && isDeepStrictEqual(parseSidecarConfig(current), next) ? undefined : next;
}

/** Every replica runs the newest template and none of an older one is left. */
function isRolledOut({ metadata, spec, status }: Deployment): boolean {
  const wanted = spec?.replicas ?? 1;
  return (
    wanted > 0 &&
    status?.observedGeneration === metadata.generation &&
    status?.updatedReplicas === wanted &&
    status.availableReplicas === wanted &&
    status.replicas === wanted
  );
}
