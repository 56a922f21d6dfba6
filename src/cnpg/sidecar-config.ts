// What the sidecar's container is made of, apart from the Cluster. It lives in one ConfigMap and not in the operator's
// program, because CNPG compares the container with the running one: two versions of the operator side by side, each
// with an image of its own, would restart every database in turn. Pure.
import type { Stanza } from "#api/gen/stanza.ts";
import type { KubeObject } from "#kube/object.ts";
import { logLevels, type LogLevel } from "#observe/logger.ts";

/** Kubernetes' EnvVar; `valueFrom` passes through untouched. */
export interface EnvVar {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: object;
}

type Quantities = Readonly<Record<string, string | number>>;

export interface Resources {
  readonly requests?: Quantities;
  readonly limits?: Quantities;
}

export interface SidecarConfig {
  readonly image: string;
  readonly command: readonly string[];
  /** For Clusters that do not set their own. */
  readonly imagePullPolicy?: string;
  readonly resources: Resources;
  readonly env: readonly EnvVar[];
  readonly logLevel: LogLevel;
}

/** spec.instanceSidecarConfiguration of an ObjectStore or a Stanza, as far as the container shows it. */
export interface StoreSidecarSettings {
  readonly env?: readonly EnvVar[];
  readonly resources?: Resources;
  readonly logLevel?: LogLevel;
  /** A volume for pgBackRest's spool, of a Stanza only. */
  readonly spool?: SpoolVolume;
}

export interface SpoolVolume {
  /** "1Gi": a number and Mi, Gi or Ti. */
  readonly size: string;
  readonly storageClass?: string;
}

export function sidecarSettingsOfStanza({ spec }: Pick<Stanza, "spec">): StoreSidecarSettings {
  const spool = spec.stanzaConfiguration.archive?.spool;
  return { ...spec.instanceSidecarConfiguration, ...(spool !== undefined && { spool }) };
}

export const sidecarConfigName = "holdfast-sidecar";

const dataKey = "sidecar.json";

/**
 * All but the image, for the one who writes the ConfigMap. The flags and variables keep an idle sidecar small: little
 * young heap, and memory of large buffers given back to the system as soon as they are freed.
 */
export const sidecarDefaults: Omit<SidecarConfig, "image"> = {
  command: [
    "/usr/local/bin/node",
    "--max-semi-space-size=1",
    "--max-old-space-size=128",
    "--optimize-for-size",
    "/app/instance.js",
  ],
  resources: { requests: { cpu: "10m", memory: "128Mi" } },
  env: [
    { name: "MALLOC_ARENA_MAX", value: "1" },
    { name: "MALLOC_MMAP_THRESHOLD_", value: "131072" },
    { name: "MALLOC_TRIM_THRESHOLD_", value: "131072" },
  ],
  logLevel: "info",
};

export interface ConfigMap extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
}

export const formatSidecarConfig = (config: SidecarConfig): Readonly<Record<string, string>> => ({
  [dataKey]: JSON.stringify(config, undefined, 2),
});

/** The configuration in the ConfigMap; undefined when it holds none that can be used. Fields that are missing get defaults. */
export function parseSidecarConfig(configMap: ConfigMap): SidecarConfig | undefined {
  const text = configMap.data?.[dataKey];
  if (text === undefined) return undefined;
  let parsed: Partial<SidecarConfig> | null;
  try {
    parsed = JSON.parse(text) as Partial<SidecarConfig> | null;
  } catch {
    return undefined;
  }
  if (typeof parsed?.image !== "string" || parsed.image === "") return undefined;
  const config = { ...sidecarDefaults, ...parsed, image: parsed.image };
  return logLevels.includes(config.logLevel) ? config : { ...config, logLevel: sidecarDefaults.logLevel };
}
