// The mark `holdfast/owner.json` beside base/ and wals/: which database system archives under this server name. It is
// written once, with a condition, so that of two clusters that begin at the same moment only one wins.
import { isStoreError, StoreError } from "#store/errors.ts";
import type { CallOptions, ObjectStore, PutOptions } from "#store/store.ts";
import { RepositoryError } from "../errors.ts";
import type { Owner } from "../repository.ts";
import { ownerKey } from "./layout.ts";
import { readSmallObject } from "./small-object.ts";

/** A mark always names the Cluster that made it. */
export type OwnerMark = Required<Owner>;

export type Ownership =
  | { readonly kind: "unclaimed" }
  | { readonly kind: "ours" | "foreign"; readonly owner: OwnerMark };

/** The system identifier alone decides: a Cluster that was made again from its backups keeps it. Pure. */
export function compareOwner(owner: OwnerMark | undefined, systemId: string): Ownership {
  if (owner === undefined) return { kind: "unclaimed" };
  return { kind: owner.systemId === systemId ? "ours" : "foreign", owner };
}

/** Undefined when nobody has claimed this server name. Throws RepositoryError for a damaged mark, and StoreError. */
export async function readOwner(
  store: ObjectStore,
  server: string,
  options: CallOptions,
): Promise<OwnerMark | undefined> {
  const key = ownerKey(server);
  const content = await readSmallObject(store, key, options);
  if (content === undefined) return undefined;
  const owner = parseOwner(content);
  if (owner !== undefined) return owner;
  throw new RepositoryError("Damaged", `${key} does not say whose archive this is`, {
    hint: "find out which cluster archives here before removing it; the next archived file writes it anew",
  });
}

/**
 * Writes the mark unless another is there. Returns the mark that holds afterwards: compare it, it need not be ours.
 */
export async function claimOwner(
  store: ObjectStore,
  server: string,
  owner: OwnerMark,
  options: CallOptions & Pick<PutOptions, "encryption">,
): Promise<OwnerMark> {
  try {
    await store.put(ownerKey(server), new TextEncoder().encode(formatOwner(owner)), { ifAbsent: true, ...options });
    return owner;
  } catch (error) {
    if (!isStoreError(error, "AlreadyExists")) throw error;
    const present = await readOwner(store, server, options);
    if (present !== undefined) return present;
    throw new StoreError("Unavailable", `${ownerKey(server)} was there and is gone again`, { cause: error });
  }
}

/** Reads the mark; undefined when it names no system and cluster. Keys that are not known are left to newer versions. */
export function parseOwner(text: string): OwnerMark | undefined {
  let mark: unknown;
  try {
    mark = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isRecord(mark) || !isRecord(mark["cluster"])) return undefined;
  const { systemID, since } = mark;
  const { namespace, name, uid } = mark["cluster"];
  const date = new Date(typeof since === "string" ? since : Number.NaN);
  if (typeof systemID !== "string" || !/^\d{1,20}$/.test(systemID) || Number.isNaN(date.getTime())) return undefined;
  if (typeof namespace !== "string" || typeof name !== "string" || typeof uid !== "string") return undefined;
  return { systemId: systemID, cluster: { namespace, name, uid }, since: date };
}

export function formatOwner({ systemId, cluster, since }: OwnerMark): string {
  const { namespace, name, uid } = cluster;
  const mark = { systemID: systemId, cluster: { namespace, name, uid }, since: since.toISOString() };
  return `${JSON.stringify(mark, undefined, 2)}\n`;
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null;
