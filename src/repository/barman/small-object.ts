// Small objects read whole as text: metadata whose size is bounded, so that a wrong object cannot fill the memory.
import { text } from "node:stream/consumers";
import { isStoreError } from "#store/errors.ts";
import type { ObjectStore } from "#store/store.ts";
import { RepositoryError } from "../errors.ts";

/** Far more than any backup.info or mark has. */
const bytesMax = 1024 * 1024;

/** Undefined when the object is proven absent. Throws RepositoryError "TooLarge", and StoreError. */
export async function readSmallObject(
  store: ObjectStore,
  key: string,
  options: { readonly signal: AbortSignal },
): Promise<string | undefined> {
  try {
    const { body, size } = await store.get(key, options);
    if (size <= bytesMax) return await text(body);
    body.destroy();
    throw new RepositoryError("TooLarge", `${key} has ${size} bytes, which no such object has`);
  } catch (error) {
    if (isStoreError(error, "NotFound")) return undefined;
    throw error;
  }
}
