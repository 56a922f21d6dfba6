// The AdmissionReview (admission.k8s.io/v1) of one request: reads what the API server sends, writes what it is answered.
// Pure, and trusting nothing: the port is open to every pod.
import type { Finding, Judgement, Mutation } from "./judgement.ts";

export type Fields = Readonly<Record<string, unknown>>;

export interface AdmissionRequest {
  readonly uid: string;
  readonly operation: "CREATE" | "UPDATE" | "DELETE";
  /** "objectstores.holdfast.dev" */
  readonly resource: string;
  readonly group: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  /** As it would be stored; absent for DELETE. */
  readonly object?: Fields;
  /** As it is stored; absent for CREATE. */
  readonly old?: Fields;
}

/** The body is no AdmissionReview; the message says why. */
export class MalformedReview extends Error {
  override readonly name = "MalformedReview";
}

const apiVersion = "admission.k8s.io/v1";
/** kubectl shows all of it, and nobody reads more. */
const findingsMax = 40;
/** Of more problems than these, the first are sorted: there may be as many as an object has room for. */
const sortedMax = 1_000;
const findingLengthMax = 600;
const warningsMax = 20;
/** The API server cuts longer ones, and says so. */
const warningLengthMax = 256;

export function parseReview(body: Uint8Array): AdmissionRequest {
  const review = parse(body);
  if (!isFields(review)) throw new MalformedReview("the body is not an object");
  if (review["apiVersion"] !== apiVersion || review["kind"] !== "AdmissionReview")
    throw new MalformedReview(`the body is not an AdmissionReview of ${apiVersion}`);
  const request = fieldsAt(review, "request");
  const operation = textAt(request, "operation");
  if (operation !== "CREATE" && operation !== "UPDATE" && operation !== "DELETE")
    throw new MalformedReview("request.operation is none of CREATE, UPDATE and DELETE");
  const { resource, group } = resourceAt(request);
  const object = operation === "DELETE" ? undefined : fieldsAt(request, "object", "request.");
  const old = operation === "CREATE" ? undefined : fieldsAt(request, "oldObject", "request.");
  const namespace = textAt(request, "namespace");
  if (namespace === "") throw new MalformedReview("request.namespace is empty");
  const uid = textAt(request, "uid");
  if (uid === "" || uid.length > 128) throw new MalformedReview("request.uid is not an id");
  return {
    uid,
    operation,
    resource: `${resource}.${group}`,
    group,
    kind: textAt(fieldsAt(request, "kind", "request."), "kind", "request.kind."),
    namespace,
    name: optionalTextAt(request, "name"),
    ...(object && { object }),
    ...(old && { old }),
  };
}

/** Accepted when there is no problem. Every problem is told, by field; kubectl shows one a line. */
export function answer(request: AdmissionRequest, { problems, warnings }: Judgement): object {
  const response =
    problems.length === 0
      ? { uid: request.uid, allowed: true }
      : { uid: request.uid, allowed: false, status: refusal(request, problems) };
  return reviewWith({ ...response, ...warned(warnings) });
}

/** Accepted with these changes, as a JSON patch. */
export function answerChanged({ uid }: AdmissionRequest, { patch, warnings }: Mutation): object {
  const change = { patchType: "JSONPatch", patch: Buffer.from(JSON.stringify(patch)).toString("base64") };
  return reviewWith({ uid, allowed: true, ...(patch.length > 0 && change), ...warned(warnings) });
}

const reviewWith = (response: object): object => ({ apiVersion, kind: "AdmissionReview", response });

function warned(warnings: readonly string[]): object {
  const told = [...new Set(warnings)].slice(0, warningsMax).map((text) => shorten(text, warningLengthMax));
  return told.length > 0 ? { warnings: told } : {};
}

export const describeFinding = ({ field, message, hint }: Finding): string =>
  shorten(`${field}: ${explain({ message, ...(hint !== undefined && { hint }) })}`, findingLengthMax);

const explain = ({ message, hint }: Pick<Finding, "message" | "hint">): string =>
  hint === undefined ? message : `${message} (${hint})`;

function refusal({ operation, group, kind, name }: AdmissionRequest, problems: readonly Finding[]): object {
  const sorted = problems.slice(0, sortedMax).toSorted((one, other) => compare(one.field, other.field));
  const shown = sorted.slice(0, findingsMax);
  const rest = problems.length - shown.length;
  const lines = [...new Set(shown.map(describeFinding)), ...(rest > 0 ? [`and ${rest} more`] : [])];
  const message = lines.length === 1 ? lines[0] : `\n${lines.join("\n")}`;
  // A deletion has nothing that could be invalid.
  if (operation === "DELETE") return { status: "Failure", message, reason: "Forbidden", code: 403 };
  const causes = shown.map((finding) => ({
    reason: "FieldValueInvalid",
    field: shorten(finding.field, findingLengthMax),
    message: shorten(explain(finding), findingLengthMax),
  }));
  return { status: "Failure", message, reason: "Invalid", code: 422, details: { group, kind, name, causes } };
}

const compare = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0);

/** By whole characters, at most `bytesMax` bytes. */
function shorten(text: string, bytesMax: number): string {
  if (Buffer.byteLength(text) <= bytesMax) return text;
  const mark = "…";
  const cut = Buffer.from(text.slice(0, bytesMax)).subarray(0, bytesMax - Buffer.byteLength(mark));
  return `${cut.toString("utf8").replace(/\uFFFD+$/, "")}${mark}`;
}

function parse(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch {
    throw new MalformedReview("the body is not JSON in UTF-8");
  }
}

const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function fieldsAt(fields: Fields, name: string, at = ""): Fields {
  const value = fields[name];
  if (!isFields(value)) throw new MalformedReview(`${at}${name} is not an object`);
  return value;
}

function textAt(fields: Fields, name: string, at = "request."): string {
  const value = fields[name];
  if (typeof value !== "string") throw new MalformedReview(`${at}${name} is not a text`);
  return value;
}

const optionalTextAt = (fields: Fields, name: string): string =>
  fields[name] === undefined ? "" : textAt(fields, name);

function resourceAt(request: Fields): { readonly resource: string; readonly group: string } {
  const at = "request.resource.";
  const resource = fieldsAt(request, "resource", "request.");
  return { resource: textAt(resource, "resource", at), group: textAt(resource, "group", at) };
}
