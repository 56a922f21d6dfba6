// The volume for what archiving with pgBackRest keeps beside the database. Kubernetes writes a Pod back in its own words, and
// CNPG shows us that again: a volume that says the same stays as it is. Pure.
import { isDeepStrictEqual } from "node:util";
import type { SpoolVolume } from "#cnpg/sidecar-config.ts";

export const spoolVolumeName = "holdfast-spool";
/** Where the sidecar, and nothing else, sees it. */
export const spoolDirectory = "/spool";

interface ClaimTemplate {
  readonly metadata?: object;
  readonly spec: object;
}

/** The parts of Kubernetes' Volume that are looked at; all other fields pass through. */
export interface Volume {
  readonly name: string;
  readonly emptyDir?: object;
  readonly ephemeral?: { readonly volumeClaimTemplate: ClaimTemplate };
}

/** Bounded, so that a spool which nobody empties cannot fill the node. */
const defaultSizeLimit = "1Gi";

/** With a size it is a claim that lives and dies with the Pod. */
export function makeSpoolVolume(spool: SpoolVolume | undefined): Volume {
  if (spool === undefined) return { name: spoolVolumeName, emptyDir: { sizeLimit: defaultSizeLimit } };
  const { size, storageClass } = spool;
  const spec = {
    accessModes: ["ReadWriteOnce"],
    resources: { requests: { storage: canonicalSize(size) } },
    ...(storageClass !== undefined && { storageClassName: storageClass }),
  };
  return { name: spoolVolumeName, ephemeral: { volumeClaimTemplate: { spec } } };
}

/** The volumes with the wanted one, or with none when none is wanted; in place of an earlier one, else last. */
export function withSpoolVolume(volumes: readonly Volume[], wanted: Volume | undefined): readonly Volume[] {
  const at = volumes.findIndex(({ name }) => name === spoolVolumeName);
  const earlier = volumes[at];
  if (wanted === undefined) return earlier === undefined ? volumes : volumes.toSpliced(at, 1);
  if (earlier === undefined) return [...volumes, wanted];
  return isDeepStrictEqual(withoutMetadata(earlier), wanted) ? volumes : volumes.with(at, wanted);
}

/** Go writes the template's metadata even when there are none. */
function withoutMetadata(volume: Volume): Volume {
  if (volume.ephemeral === undefined) return volume;
  const { metadata: _metadata, ...template } = volume.ephemeral.volumeClaimTemplate;
  return { ...volume, ephemeral: { ...volume.ephemeral, volumeClaimTemplate: template } };
}

const units = ["Mi", "Gi", "Ti", "Pi", "Ei"] as const;

/** In the unit that Kubernetes would write: 1024Mi is 1Gi. A size of another form is left for Kubernetes to judge. */
export function canonicalSize(size: string): string {
  const [, digits = "", unit = ""] = /^(\d{1,15})([A-Z]i)$/.exec(size) ?? [];
  let at = units.findIndex((each) => each === unit);
  if (at < 0) return size;
  let number = Number(digits);
  for (; number > 0 && number % 1024 === 0 && at < units.length - 1; at++) number /= 1024;
  return `${number}${units[at]}`;
}
