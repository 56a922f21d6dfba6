// The examples as objects, so that a journey changes what it is about and leaves the rest as a user would write it.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { adapt, apply } from "./steps.ts";

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly annotations?: Readonly<Record<string, string>> };
  readonly spec?: Readonly<Record<string, unknown>>;
  readonly stringData?: Readonly<Record<string, string>>;
}

const examples = join(import.meta.dirname, "..", "..", "examples");

/** The documents of one example file, for this cluster and a folder of their own in the bucket. */
export const example = (file: string, folder: string): readonly Manifest[] =>
  parseAllDocuments(adapt(readFileSync(join(examples, file), "utf8"), folder)).map(
    (document) => document.toJS() as Manifest,
  );

/** The only document of an example file with this kind. */
export function exampleOf(kind: string, file: string, folder: string): Manifest {
  const found = example(file, folder).find((manifest) => manifest.kind === kind);
  if (found === undefined) throw new Error(`${file} has no ${kind}`);
  return found;
}

/** The same under another name, with these fields of its spec put in place of its own. */
export const changed = (manifest: Manifest, name: string, spec: Readonly<Record<string, unknown>> = {}): Manifest => ({
  ...manifest,
  metadata: { ...manifest.metadata, name },
  ...(manifest.spec && { spec: { ...manifest.spec, ...spec } }),
});

/** The same ObjectStore under another name, with these fields of its configuration put in place of its own. */
export const withConfiguration = (
  store: Manifest,
  name: string,
  configuration: Readonly<Record<string, unknown>>,
): Manifest =>
  changed(store, name, { configuration: { ...(store.spec?.["configuration"] as object), ...configuration } });

/** `plugins` of a Cluster that archives by Holdfast with these parameters. */
export const archivingTo = (parameters: Readonly<Record<string, string>>) => [
  { name: "holdfast.dev", isWALArchiver: true, parameters },
];

export const applyAll = (namespace: string, manifests: readonly Manifest[]): Promise<string> =>
  apply(namespace, JSON.stringify({ apiVersion: "v1", kind: "List", items: manifests }));
