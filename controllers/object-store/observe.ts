// One look at a store: can it be read and written, which servers are in it, and what does each hold.
import { describeViolations } from "#api/violations.ts";
import { validate } from "#api/gen/object-store.validator.js";
import type { ObjectStore as StoreObject } from "#api/gen/object-store.ts";
import type { Catalog } from "#repository/catalog.ts";
import { openBarmanRepository } from "#repository/barman/repository.ts";
import { RepositoryError } from "#repository/errors.ts";
import { recoveryWindow } from "#repository/recovery-window.ts";
import type { NewestWal, Owner, Repository } from "#repository/repository.ts";
import { withDeadline } from "#std/abort.ts";
import type { Check } from "#store/check.ts";
import { preflight } from "#store/preflight.ts";
import type { ObjectStore } from "#store/store.ts";
import { outOfTime, problemOf, type Problem } from "../opening-problem.ts";
import { obstacleIn } from "./conditions.ts";
import type { ObservedServer } from "../archive/plan.ts";
import type { StoreContent } from "./plan.ts";

export interface OpenedStore {
  readonly store: ObjectStore;
  /** Another object after anything of the store or its Secrets has changed. */
  readonly config: object;
}

/** Opens the store that an object describes, with the Secrets as they are now. */
export type OpenStore = (object: StoreObject, signal: AbortSignal) => Promise<OpenedStore>;

/** What was read before, so that finished backups and unchanged WAL are not read again. */
export interface Known {
  /** Where it was read. */
  readonly place: string;
  readonly catalogs: ReadonlyMap<string, Catalog>;
  readonly newestWal: ReadonlyMap<string, NewestWal>;
}

/** What a preflight found out, and about which settings. */
export interface Preflight {
  readonly config: object;
  readonly checks: readonly Check[];
}

export interface Look {
  /** Absent when the store could not be opened. */
  readonly preflight?: Preflight & { readonly isNew: boolean };
  /** What the store holds, or why it could not be opened or read. */
  readonly content: StoreContent | Problem;
  readonly known: Known;
}

export interface LookOptions {
  readonly open: OpenStore;
  readonly known: Known | undefined;
  /** The last one, while it is not too old to count. */
  readonly preflight: Preflight | undefined;
  /** How long the look may take: 50 s unless told, so that time is left to say what came of it. */
  readonly limitMs?: number;
  readonly signal: AbortSignal;
}

export async function lookAtStore(object: StoreObject, options: LookOptions): Promise<Look> {
  const { signal: outer, limitMs = 50_000 } = options;
  const signal = withDeadline(outer, limitMs);
  const tooSlow = outOfTime(limitMs);
  if (!validate(object.spec)) {
    const message = describeViolations("spec", validate.errors);
    return { content: { kind: "refused", reason: "InvalidSpec", message }, known: options.known ?? nothingAt("") };
  }
  const place = placeOf(object);
  // Elsewhere the same keys mean something else.
  const known = options.known?.place === place ? options.known : nothingAt(place);
  let opened: OpenedStore;
  let last: NonNullable<Look["preflight"]>;
  try {
    opened = await options.open(object, signal);
    const isSame = options.preflight?.config === opened.config;
    last = isSame ? { ...options.preflight, isNew: false } : await check(object, opened, signal);
  } catch (error) {
    outer.throwIfAborted();
    return { content: signal.aborted ? tooSlow : problemOf(error), known };
  }
  const { store } = opened;
  const obstacle = obstacleIn(last.checks);
  if (obstacle !== undefined) return { preflight: last, content: obstacle, known };
  const next = nothingAt(place);
  try {
    const servers = await readServers(openBarmanRepository(store), { known, next, signal });
    return { preflight: last, content: { kind: "usable", servers, conditionalPut: store.conditionalPut }, known: next };
  } catch (error) {
    outer.throwIfAborted();
    // The next look goes on from the servers that this one read.
    const read = {
      place,
      catalogs: merged(known.catalogs, next.catalogs),
      newestWal: merged(known.newestWal, next.newestWal),
    };
    if (signal.aborted) return { preflight: last, content: tooSlow, known: read };
    // What passed before does not pass now: where exactly it fails is found out anew.
    const now = last.isNew ? last : await check(object, opened, signal).catch(() => last);
    outer.throwIfAborted();
    return { preflight: now, content: obstacleIn(now.checks) ?? problemOf(error), known: read };
  }
}

const merged = <V>(one: ReadonlyMap<string, V>, other: ReadonlyMap<string, V>) => new Map([...one, ...other]);

const nothingAt = (place: string) => ({
  place,
  catalogs: new Map<string, Catalog>(),
  newestWal: new Map<string, NewestWal>(),
});

const placeOf = ({ metadata, spec: { configuration } }: StoreObject): string =>
  JSON.stringify([metadata.uid, configuration.endpointURL, configuration.destinationPath]);

async function check(object: StoreObject, { store, config }: OpenedStore, signal: AbortSignal) {
  return { config, checks: await preflight(store, { key: canaryKey(object), signal }), isNew: true };
}

/** Below no server's folder, so that nothing takes it for one. */
const canaryKey = ({ metadata }: StoreObject): string => `.holdfast-check/${metadata.uid ?? ""}`;

interface Reading {
  readonly known: Known;
  readonly next: { readonly catalogs: Map<string, Catalog>; readonly newestWal: Map<string, NewestWal> };
  readonly signal: AbortSignal;
}

async function readServers(repository: Repository, reading: Reading): Promise<ObservedServer[]> {
  const servers: ObservedServer[] = [];
  for (const server of await repository.servers(reading)) servers.push(await readServer(repository, server, reading));
  return servers;
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
    ...(owner?.cluster && { owner: { systemID: owner.systemId, cluster: owner.cluster } }),
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
