// Reads single fields out of JSON that someone else wrote. A field of another type than expected reads as absent: the
// API server has checked the types, and a newer CloudNativePG may have changed one that we can do without.
import type { ObjectMeta } from "#kube/object.ts";
import { CnpgError } from "./errors.ts";

export type Fields = Readonly<Record<string, unknown>>;

const nothing: Fields = {};

/** The fields of an object; none for anything else. */
export const fieldsOf = (value: unknown): Fields => (isObject(value) ? value : nothing);

export const isObject = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Go leaves out empty texts, so an empty one and an absent one mean the same. */
export const textOf = (value: unknown): string | undefined =>
  typeof value === "string" && value !== "" ? value : undefined;

export const flagOf = (value: unknown): boolean | undefined => (typeof value === "boolean" ? value : undefined);

export const numberOf = (value: unknown): number | undefined => (typeof value === "number" ? value : undefined);

export const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

/** The entries whose value is a text. */
export const textsOf = (value: unknown): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(fieldsOf(value)).filter((entry): entry is [string, string] => typeof entry[1] === "string"),
  );

/**
 * The fields and metadata of a namespaced object, from its JSON text or from JSON that is parsed already. apiVersion and
 * kind are not looked at: CNPG-I leaves them out in several calls. CnpgError "Malformed" without name or namespace.
 */
export function objectOf(kind: string, source: unknown): Fields & { readonly metadata: NamespacedMeta } {
  const fields = fieldsOf(source instanceof Uint8Array ? parseJson(kind, source) : source);
  const metadata = fieldsOf(fields["metadata"]);
  if (textOf(metadata["name"]) === undefined || textOf(metadata["namespace"]) === undefined) {
    throw new CnpgError("Malformed", `cannot read ${kind}: it has no name or no namespace`);
  }
  return { ...fields, metadata: metadata as unknown as NamespacedMeta };
}

export interface NamespacedMeta extends ObjectMeta {
  readonly namespace: string;
}

/** CnpgError "Malformed" for what is not JSON in UTF-8; `kind` says in the message what it should have been. */
export function parseJson(kind: string, bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw new CnpgError("Malformed", `cannot read ${kind}: it is not JSON`, { cause: error });
  }
}
