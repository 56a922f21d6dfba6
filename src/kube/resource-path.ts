// Where resources and objects are in the API server's URL space (Kubernetes API concepts, "Resource URIs"). Pure.
import type { ObjectKey, Resource } from "./object.ts";

export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

/** Path of a collection; without `namespace` that of all namespaces. */
export function collectionPath(resource: Resource, namespace?: string): string {
  const root = resource.group === "" ? `/api/${resource.version}` : `/apis/${resource.group}/${resource.version}`;
  const within = namespace === undefined ? "" : `/namespaces/${encodeURIComponent(namespace)}`;
  return `${root}${within}/${resource.plural}`;
}

/** Path of one object. A namespaced resource without a namespace is a mistake in the calling code, so it throws. */
export function objectPath(resource: Resource, key: ObjectKey, subresource?: string): string {
  if (resource.namespaced !== (key.namespace !== undefined))
    throw new TypeError(`${resource.plural} "${key.name}" ${resource.namespaced ? "needs a" : "has no"} namespace`);
  const object = `${collectionPath(resource, key.namespace)}/${encodeURIComponent(key.name)}`;
  return subresource === undefined ? object : `${object}/${subresource}`;
}

/** `path?a=1&b=x`, leaving out what is undefined. */
export function withQuery(path: string, query: Query): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) parameters.set(name, String(value));
  const text = parameters.toString();
  return text === "" ? path : `${path}?${text}`;
}

/** "holdfast.dev archives", for error messages. */
export const describeResource = (resource: Resource): string =>
  resource.group === "" ? resource.plural : `${resource.plural}.${resource.group}`;
