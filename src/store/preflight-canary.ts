// Writes, reads and removes one small object, to see what the login may do. Nothing of it stays, however it ends: the
// key is the same each time, so that the next preflight removes what a process that died left behind.
import { Buffer } from "node:buffer";
import { buffer } from "node:stream/consumers";
import { withDeadline } from "#std/abort.ts";
import { attempt, failed, notRunAfter, passed, stated, type Check, type Outcome } from "./check.ts";
import { StoreError } from "./errors.ts";
import type { ObjectStore } from "./store.ts";

const body = Buffer.from("Holdfast checks whether it may write here.\n");
/** Cleaning up has time of its own. */
const cleanMs = 5_000;

export interface Canary {
  readonly key: string;
  /** Of whoever asked for the preflight. */
  readonly caller: AbortSignal;
  /** The same with the deadline of the preflight. */
  readonly signal: AbortSignal;
}

export async function checkCanary(store: ObjectStore, canary: Canary): Promise<readonly Check[]> {
  let mayBeThere = true;
  try {
    const put = await attempt(canary.caller, "put", () => store.put(canary.key, body, canary));
    // A refusal stored nothing; no answer says nothing.
    mayBeThere = put.error === undefined || put.error.transient;
    const multipart = put.error === undefined ? await uploadInParts(store, canary) : undefined;
    const get = await attempt(canary.caller, "get", () => read(store, canary));
    const checks = [putCheck(put), multipartCheck(multipart), getCheck(get, put)];
    if (put.error !== undefined) return [...checks, notRunAfter("Delete", "Put")];
    const removed = await remove(store, canary);
    mayBeThere = removed.error !== undefined;
    return [...checks, deleteCheck(removed)];
  } finally {
    if (mayBeThere) await removeQuietly(store, canary.key);
  }
}

/** One part, which as the last one may be small. */
async function* onePart(): AsyncIterable<Uint8Array> {
  yield body;
}

const uploadInParts = (store: ObjectStore, canary: Canary): Promise<Outcome<number>> =>
  attempt(canary.caller, "upload", () => store.upload(canary.key, onePart(), { signal: canary.signal, parallel: 1 }));

/** Whether it was there. */
async function read(store: ObjectStore, { key, signal }: Canary): Promise<boolean> {
  const content = await store.get(key, { signal }).catch((error: unknown) => {
    if (error instanceof StoreError && error.kind === "NotFound") return undefined;
    throw error;
  });
  if (content === undefined) return false;
  if (content.size === body.length && (await buffer(content.body)).equals(body)) return true;
  content.body.destroy();
  throw new StoreError("Corrupt", `get ${store.location}/${key}: it holds other bytes than were written`);
}

function remove(store: ObjectStore, { key, caller }: Canary): Promise<Outcome<void>> {
  const signal = withDeadline(caller, cleanMs);
  return attempt(caller, "delete", async () => {
    await store.delete([key], { signal });
    await store.probe?.sweep(key, { signal });
    if (!(await isListed(store, key, signal))) return;
    throw new StoreError("Unsupported", `delete ${store.location}/${key}: the object is still there afterwards`);
  });
}

/** Listing is allowed, or the canary would not have been tried; reading may not be. */
async function isListed(store: ObjectStore, key: string, signal: AbortSignal): Promise<boolean> {
  for await (const entry of store.list(key, { signal })) if (entry.kind === "object" && entry.key === key) return true;
  return false;
}

async function removeQuietly(store: ObjectStore, key: string): Promise<void> {
  const signal = AbortSignal.timeout(cleanMs);
  await store.delete([key], { signal }).catch(() => undefined);
  await store.probe?.sweep(key, { signal });
}

const putCheck = (put: Outcome<void>): Check =>
  put.error === undefined ? passed("Put", "objects can be written", put) : failed("Put", put);

function multipartCheck(multipart: Outcome<number> | undefined): Check {
  if (multipart === undefined) return notRunAfter("Multipart", "Put");
  return multipart.error === undefined
    ? passed("Multipart", "objects can be uploaded in parts", multipart)
    : failed("Multipart", multipart);
}

/** Where nothing could be written, that there is no such object is the answer of a store that lets us read. */
function getCheck(get: Outcome<boolean>, put: Outcome<void>): Check {
  if (get.error !== undefined) return failed("Get", get);
  if (get.value || put.error !== undefined) return passed("Get", "objects can be read", get);
  const message = "the object that was just written is not there";
  return stated("Get", { status: "Failed", reason: "StoreError", message }, get);
}

const deleteCheck = (removed: Outcome<void>): Check =>
  removed.error === undefined ? passed("Delete", "objects can be removed", removed) : failed("Delete", removed);
