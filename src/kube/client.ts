// The Kubernetes API port, on plain JSON objects: unknown fields pass through untouched. One implementation over a
// transport (rest-client.ts); the operator's transport comes from client-node's configuration, the sidecar's from the
// mounted token, because client-node alone costs more memory than the whole sidecar may use.
import type { KubeObject, ObjectKey, Resource } from "./object.ts";

export interface CallOptions {
  readonly signal: AbortSignal;
}

export interface ListOptions extends CallOptions {
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

export interface ObjectList<T> {
  readonly items: readonly T[];
  readonly resourceVersion: string;
}

export interface WatchOptions extends ListOptions {
  readonly resourceVersion: string;
}

export type WatchEvent<T> =
  | { readonly type: "ADDED" | "MODIFIED" | "DELETED"; readonly object: T }
  | { readonly type: "BOOKMARK"; readonly resourceVersion: string };

export interface ApplyOptions extends CallOptions {
  readonly fieldManager: string;
  /** Server-side apply to the status subresource instead of the object. */
  readonly subresource?: "status";
}

export interface PatchOptions extends CallOptions {
  readonly type: "merge" | "json";
  readonly subresource?: "status";
  readonly fieldManager?: string;
}

export interface DeleteOptions extends CallOptions {
  /** Only when the object still has this uid; otherwise KubeError "Conflict". */
  readonly uid?: string;
  /** Only when the object has not changed since; otherwise KubeError "Conflict". */
  readonly resourceVersion?: string;
  readonly propagation?: "Background" | "Foreground" | "Orphan";
}

export interface KubeClient {
  /** undefined when the object is not there. */
  get<T extends KubeObject>(resource: Resource, key: ObjectKey, options: CallOptions): Promise<T | undefined>;
  list<T extends KubeObject>(resource: Resource, options: ListOptions): Promise<ObjectList<T>>;
  /** Ends when the server closes the stream; throws KubeError "Expired" when `resourceVersion` is too old (410). */
  watch<T extends KubeObject>(resource: Resource, options: WatchOptions): AsyncIterable<WatchEvent<T>>;
  /** KubeError "AlreadyExists" when the name is taken. */
  create<T extends KubeObject>(resource: Resource, object: T, options: CallOptions): Promise<T>;
  /** Server-side apply with force: we own the fields we write. */
  apply<T extends KubeObject>(resource: Resource, object: T, options: ApplyOptions): Promise<T>;
  patch<T extends KubeObject>(resource: Resource, key: ObjectKey, patch: unknown, options: PatchOptions): Promise<T>;
  /** Full replace under optimistic lock: KubeError "Conflict" when resourceVersion is stale. */
  replace<T extends KubeObject>(resource: Resource, object: T, options: CallOptions): Promise<T>;
  /** False when there was nothing to delete. */
  delete(resource: Resource, key: ObjectKey, options: DeleteOptions): Promise<boolean>;
}
