// Where a store's data are, as a text that is equal for two stores exactly when they share data, as far as names tell. Pure.
import { parseDestination, type StoreSpec } from "./spec.ts";

/**
 * undefined when the spec names no place, also because it is of another form than its schema wants: such a store may have
 * been stored before. `namespace` is the store's: short host names are Services in it.
 */
export function locationOf(spec: StoreSpec | undefined, namespace: string): string | undefined {
  const { destinationPath, endpointURL }: { destinationPath?: unknown; endpointURL?: unknown } =
    spec?.configuration ?? {};
  const destination = typeof destinationPath === "string" ? parseDestination(destinationPath) : undefined;
  const server = serverOf(endpointURL, namespace);
  return destination && server && `s3 ${server} ${destination.bucket} ${destination.prefix}`;
}

/** Amazon's bucket names are unique over all its regions, so their endpoints are one server. */
const amazon = "amazonaws.com";

/** The server of an endpoint's URL; Amazon's without one. undefined when that is no URL. */
export function serverOf(endpointURL: unknown, namespace: string): string | undefined {
  if (endpointURL === undefined) return amazon;
  const url = typeof endpointURL === "string" ? URL.parse(endpointURL) : null;
  if (url === null) return undefined;
  const host = url.hostname.toLowerCase().replace(/\.$/, "");
  if (host.endsWith(`.${amazon}`) || host === amazon) return amazon;
  const port = url.port || (url.protocol === "http:" ? "80" : "443");
  return `${inCluster(host, namespace)}:${port}${url.pathname.replace(/(?<!\/)\/+$/, "")}`;
}

/** minio, minio.ns, minio.ns.svc and minio.ns.svc.cluster.local are the same Service; example.com just stays one server. */
function inCluster(host: string, namespace: string): string {
  if (host.includes(":") || host === "localhost") return host;
  const labels = host.replace(/\.svc\.cluster\.local$/, ".svc").split(".");
  return labels.length > 2 ? labels.join(".") : `${labels[0]}.${labels[1] ?? namespace}.svc`;
}
