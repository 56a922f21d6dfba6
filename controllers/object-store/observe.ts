// One look at a store: can it be read and written, which servers are in it, and what does each hold.
import { Buffer } from "node:buffer";
import type { Reason } from "#api/conditions.ts";
import { describeViolations } from "#api/violations.ts";
import { validate } from "#api/gen/object-store.validator.js";
import type { ObjectStore as StoreObject } from "#api/gen/object-store.ts";
import type { Catalog } from "#repository/catalog.ts";
import { openBarmanRepository } from "#repository/barman/repository.ts";
import { RepositoryError } from "#repository/errors.ts";
import { recoveryWindow } from "#repository/recovery-window.ts";
import type { NewestWal, Owner, Repository } from "#repository/repository.ts";
import { StoreConfigError } from "#store/config.ts";
import { isStoreError, StoreError } from "#store/errors.ts";
import type { ObjectStore } from "#store/store.ts";
import type { ObservedServer, StoreCheck } from "./plan.ts";

/** Opens the store that an object describes, with the Secrets as they are now. */
export type OpenStore = (object: StoreObject, signal: AbortSignal) => Promise<ObjectStore>;

/** What was read before, so that finished backups and unchanged WAL are not read again. */
export interface Known {
  readonly catalogs: ReadonlyMap<string, Catalog>;
  readonly newestWal: ReadonlyMap<string, NewestWal>;
}

export interface Look {
  readonly check: StoreCheck;
  readonly known: Known;
}

export async function lookAtStore(
  object: StoreObject,
  options: {
    readonly open: OpenStore;
    readonly known: Known | undefined;
    readonly tryWriting: boolean;
    readonly signal: AbortSignal;
  },
): Promise<Look> {
  const { signal } = options;
  const nothing: Known = { catalogs: new Map(), newestWal: new Map() };
  const known = options.known ?? nothing;
  if (!validate(object.spec))
    return {
      check: { kind: "refused", reason: "InvalidSpec", message: describeViolations("spec", validate.errors) },
      known,
    };
  try {
    const store = await options.open(object, signal);
    const repository = openBarmanRepository(store);
    const names = await repository.servers({ signal });
    if (options.tryWriting) await tryWriting(store, object.metadata.uid ?? "", signal);
    const next = { catalogs: new Map<string, Catalog>(), newestWal: new Map<string, NewestWal>() };
    const servers: ObservedServer[] = [];
    for (const server of names) servers.push(await readServer(repository, server, { known, next, signal }));
    return { check: { kind: "usable", servers, conditionalPut: store.conditionalPut }, known: next };
  } catch (error) {
    signal.throwIfAborted();
    return { check: checkOf(error), known };
  }
}

/** Below no server's folder, so that nothing takes it for one. */
const canaryKey = (uid: string): string => `.holdfast-check/${uid}`;

async function tryWriting(store: ObjectStore, uid: string, signal: AbortSignal): Promise<void> {
  const key = canaryKey(uid);
  await store.put(key, Buffer.from("Holdfast checks whether it may write here.\n"), { signal });
  await store.delete([key], { signal });
}

interface Reading {
  readonly known: Known;
  readonly next: { readonly catalogs: Map<string, Catalog>; readonly newestWal: Map<string, NewestWal> };
  readonly signal: AbortSignal;
}

async function readServer(
  repository: Repository,
  server: string,
  { known, next, signal }: Reading,
): Promise<ObservedServer> {
  const before = known.catalogs.get(server);
  const catalog = await repository.catalog(server, { signal, ...(before && { known: before }) });
  next.catalogs.set(server, catalog);
  const newestBefore = known.newestWal.get(server);
  const newest = await repository.newestWal(server, { signal, ...(newestBefore && { known: newestBefore }) });
  if (newest !== undefined) next.newestWal.set(server, newest);
  const owner = await readOwner(repository, server, signal);
  const { windowFrom, windowTo } = recoveryWindow({ catalog, newestWal: newest });
  return {
    server,
    catalog,
    ...(newest && { newestWal: { name: newest.name, time: newest.storedAt } }),
    ...(owner && { owner: { systemID: owner.systemId, cluster: owner.cluster } }),
    ...(windowFrom && { window: { from: windowFrom, ...(windowTo && { to: windowTo }) } }),
  };
}

/** A damaged mark is for the sidecar to refuse: here it only means that the owner is not known. */
async function readOwner(repository: Repository, server: string, signal: AbortSignal): Promise<Owner | undefined> {
  try {
    return await repository.owner(server, { signal });
  } catch (error) {
    if (error instanceof RepositoryError) return undefined;
    throw error;
  }
}

/** A refusal is proven; silence is not. */
function checkOf(error: unknown): StoreCheck {
  if (error instanceof StoreConfigError) {
    const place = error.field === undefined ? "" : `${error.field}: `;
    const message = withHint(`${place}${error.message}`, error.hint);
    switch (error.kind) {
      case "Unavailable":
        return { kind: "unknown", reason: "Progressing", message };
      case "Unsupported":
        return { kind: "refused", reason: "InvalidSpec", message };
      case "StoreNotFound":
      case "SecretNotFound":
      case "SecretKeyMissing":
      case "InvalidSpec":
        return { kind: "refused", reason: error.kind, message };
    }
  }
  if (isStoreError(error)) return storeCheck(error);
  return { kind: "unknown", reason: "StoreError", message: error instanceof Error ? error.message : String(error) };
}

function storeCheck(error: StoreError): StoreCheck {
  const message = withHint(error.message, error.hint);
  switch (error.kind) {
    case "AccessDenied":
    case "NoSuchBucket":
    case "TLSVerificationFailed":
    case "RegionMismatch":
    case "ClockSkew":
      return { kind: "refused", reason: error.kind, message };
    case "Unsupported":
    case "AlreadyExists":
    case "NotFound":
      return { kind: "refused", reason: "StoreError", message };
    case "EndpointUnreachable":
    case "DNSFailure":
    case "Throttled":
      return { kind: "unknown", reason: error.kind satisfies Reason, message };
    case "Unavailable":
    case "Corrupt":
      return { kind: "unknown", reason: "StoreError", message };
  }
}

const withHint = (message: string, hint: string | undefined): string =>
  hint === undefined ? message : `${message} (${hint})`;
