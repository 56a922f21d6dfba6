// Resolves host names as a pod of another namespace would: "minio" is the Service of that name there. The operator needs
// it, because an ObjectStore's endpoint is written from the view of the pods beside it. Only the look-up changes; the
// Host header and the name that the certificate is verified against stay as written.
import { lookup } from "node:dns";
import type { LookupFunction } from "node:net";

export const lookupIn =
  (namespace: string): LookupFunction =>
  (hostname, options, callback) =>
    lookup(isBare(hostname) ? `${hostname}.${namespace}.svc` : hostname, options, callback);

const isBare = (hostname: string): boolean =>
  !hostname.includes(".") && !hostname.includes(":") && hostname !== "localhost";
