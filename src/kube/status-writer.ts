// Writes statuses, by server-side apply under a field manager of their own, and only when they say something new.
import { isDeepStrictEqual } from "node:util";
import { BoundedMap } from "#std/bounded-map.ts";
import type { KubeClient } from "./client.ts";
import type { KubeObject, Resource } from "./object.ts";

export interface ObjectWithStatus extends KubeObject {
  readonly status?: object;
}

export interface StatusWriter {
  /**
   * Makes the object show `status`; false when it already did and nothing was sent. KubeError "Conflict" when the object
   * has changed since `object` was read: a status belongs to what was observed, not to whatever has the name by now.
   */
  write(object: ObjectWithStatus, status: object, signal: AbortSignal): Promise<boolean>;
}

/** How many objects' last writes are remembered. */
const memoryCount = 5000;

/** For resources whose whole status this field manager writes: fields of others would look like a difference for ever. */
export function createStatusWriter(client: KubeClient, resource: Resource, fieldManager: string): StatusWriter {
  /** Object → the version that was observed before our last write, and what that write left. */
  const written = new BoundedMap<
    string,
    { readonly observedVersion: string | undefined; readonly left: ObjectWithStatus }
  >(memoryCount);

  /** A cache may still show the object as it was before our own last write. */
  function asLeft(object: ObjectWithStatus): ObjectWithStatus {
    const last = written.get(object.metadata.uid ?? "");
    return last !== undefined && last.observedVersion === object.metadata.resourceVersion ? last.left : object;
  }

  function remember(observed: ObjectWithStatus, left: ObjectWithStatus): void {
    written.set(observed.metadata.uid ?? "", { observedVersion: observed.metadata.resourceVersion, left });
  }

  return {
    async write(object, status, signal) {
      const current = asLeft(object);
      // As it will look in the API server: without members that are undefined.
      const next = JSON.parse(JSON.stringify(status)) as object;
      if (isDeepStrictEqual(current.status ?? {}, next)) return false;
      // The lock is the resourceVersion: the API server ignores a uid where a status is applied (tried with 1.34).
      const { name, namespace, resourceVersion } = current.metadata;
      const lock = resourceVersion === undefined ? {} : { resourceVersion };
      const metadata = { name, ...(namespace !== undefined && { namespace }), ...lock };
      const applied: ObjectWithStatus = { metadata, status: next };
      const left = await client.apply(resource, applied, { fieldManager, subresource: "status", signal });
      remember(object, { ...left, status: next });
      return true;
    },
  };
}
