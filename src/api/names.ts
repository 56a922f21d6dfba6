// Names that the operator gives to objects, and the labels that link them. Pure; deterministic, so that a second try
// finds what the first one made.
import { createHash } from "node:crypto";

export const labels = {
  /** CNPG's own: the Cluster that an object belongs to. */
  cluster: "cnpg.io/cluster",
  /** On a CNPG Backup that a request of ours made: the name of the request. */
  backup: "holdfast.dev/backup",
  /** On our Backup: the CNPG Backup that it records. */
  cnpgBackup: "holdfast.dev/cnpg-backup",
  /** On an Archive or a Backup found in a store: the store's name. */
  store: "holdfast.dev/store",
} as const;

/**
 * The parts joined by "-" as the name of an object: lower case letters, digits and "-". When that changes the text or
 * it is longer than 63 characters, a hash of the original keeps two different originals apart.
 */
export function objectName(...parts: readonly string[]): string {
  const original = parts.join("-");
  const name = original
    .toLowerCase()
    .replaceAll(/[^a-z0-9-]+/g, "-")
    .replaceAll(/^-+|-+$/g, "");
  return name === original && name.length <= 63
    ? name
    : `${name.slice(0, 56).replaceAll(/-+$/g, "")}-${shortHash(original)}`;
}

/** The first hexadecimal digits of the text's SHA-256. */
export const shortHash = (text: string, digits = 5): string =>
  createHash("sha256").update(text).digest("hex").slice(0, digits);

/** Whether the text may be the name of an object and the value of a label as it stands. */
export const isObjectName = (text: string): boolean =>
  text.length <= 63 && /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(text);
