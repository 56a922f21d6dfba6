// Which major version of PostgreSQL a Cluster is to run, as far as its fields tell. Pure.
import { fieldsOf, numberOf, textOf, type Fields } from "./json.ts";

/** The version in the Cluster's spec; undefined when neither the image's tag nor the catalog's entry tells. */
export function wantedMajor(cluster: Fields): number | undefined {
  const spec = fieldsOf(cluster["spec"]);
  return numberOf(fieldsOf(spec["imageCatalogRef"])["major"]) ?? majorOfImage(textOf(spec["imageName"]));
}

/** The version of the data that the Cluster has; what its spec asks for while CloudNativePG does not tell. */
export function presentMajor(cluster: Fields): number | undefined {
  const image = fieldsOf(fieldsOf(cluster["status"])["pgDataImageInfo"]);
  return numberOf(image["majorVersion"]) ?? wantedMajor(cluster);
}

/** "…/postgresql:17.2-standard-bookworm@sha256:…" → 17. A port of the registry is no tag. */
function majorOfImage(image: string | undefined): number | undefined {
  const [, tag] = /:([^:/]+)$/.exec((image ?? "").split("@", 1)[0] ?? "") ?? [];
  const [, major] = /^(\d{1,2})(?:[.\-_]|$)/.exec(tag ?? "") ?? [];
  return major === undefined ? undefined : Number(major);
}

/** Where in the spec the version is written. */
export const majorField = (cluster: Fields): string =>
  fieldsOf(cluster["spec"])["imageCatalogRef"] === undefined ? "spec.imageName" : "spec.imageCatalogRef.major";
