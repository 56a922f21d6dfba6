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
  /** On our Backup: the BackupSchedule that made it. */
  schedule: "holdfast.dev/schedule",
} as const;

/** The Lease under which backups, deletions and retention of a Stanza take turns, by the name of the Stanza object. */
export const stanzaLease = (stanza: string): string => `holdfast-stanza-${stanza}`;

export const annotations = {
  /** On our Backup that a schedule made: the planned time of the run. */
  planned: "holdfast.dev/planned",
  /** On a Stanza: any value that is new asks for a verification of its repositories. */
  verify: "holdfast.dev/verify",
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
  if (name !== "" && name === original && name.length <= 63) return name;
  return [name.slice(0, 56).replaceAll(/-+$/g, ""), shortHash(original)].filter((part) => part !== "").join("-");
}

/**
 * The name of the Backup that a schedule makes for a planned time: "nightly-20261126020000" (UTC), at most 63 characters.
 * The same run has the same name whoever makes it. Where the name is taken, `tail` is put behind it.
 */
export function runName(schedule: string, planned: Date, tail = ""): string {
  const stamp = planned.toISOString().slice(0, 19).replaceAll(/\D/g, "");
  const after = tail === "" ? stamp : `${stamp}-${tail}`;
  const name = objectName(schedule);
  const room = 62 - after.length;
  if (name.length <= room) return `${name}-${after}`;
  return `${name.slice(0, room - 6).replaceAll(/-+$/g, "")}-${shortHash(schedule)}-${after}`;
}

/** The first hexadecimal digits of the text's SHA-256. */
export const shortHash = (text: string, digits = 5): string =>
  createHash("sha256").update(text).digest("hex").slice(0, digits);

/** Whether the text may be the name of an object and the value of a label as it stands. */
export const isObjectName = (text: string): boolean =>
  text.length <= 63 && /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(text);
