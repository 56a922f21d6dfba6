// What ajv found wrong, in words for the person who wrote the object: the field's path, what is wrong, what to write.
import type { ErrorObject } from "ajv";
import { nearest } from "#std/nearest.ts";

export interface Violation {
  /** Path from the object: "spec.configuration.wal.compresion". */
  readonly field: string;
  readonly message: string;
  /** What to write instead. */
  readonly hint?: string;
  /** Whether the rest of the object can be read all the same: only a field too many. */
  readonly isUnknownField: boolean;
}

/** `root` is where the schema begins: "spec". The validators must be made with ajv's `verbose`. */
export function readViolations(root: string, errors: readonly ErrorObject[] | null | undefined): Violation[] {
  // Of "a number or a text" ajv tells each of the two as well.
  const told = (errors ?? []).filter((error) => !error.schemaPath.includes("/anyOf/"));
  // Fields too many come last, so that of very many nothing is cut off that makes the object unreadable.
  const rest = told.filter((error) => !isFieldTooMany(error));
  return [...rest, ...told.filter(isFieldTooMany)].slice(0, violationsMax).map((error) => read(root, error));
}

const isFieldTooMany = ({ keyword }: ErrorObject): boolean => keyword === "additionalProperties";

/** Nobody reads more, and there may be as many as an object has room for. */
const violationsMax = 100;

/** One line for each violation: "spec.configuration.wal.compresion: unknown field (did you mean compression?)". */
export const violations = (root: string, errors: readonly ErrorObject[] | null | undefined): string[] =>
  readViolations(root, errors).map(({ field, message, hint }) => `${field}: ${message}${hint ? ` (${hint})` : ""}`);

export const describeViolations = (root: string, errors: readonly ErrorObject[] | null | undefined): string =>
  violations(root, errors).join("; ");

/** What is to be written where a pattern did not match. */
const patternHints: Readonly<Record<string, string>> = {
  "^[1-9][0-9]*[dwm]$": "write a number and d, w or m, such as 30d",
};

function read(root: string, error: ErrorObject): Violation {
  const path = root + error.instancePath.split("/").slice(1).map(segment).join("");
  const { params, data } = error as ErrorObject<string, Record<string, unknown>>;
  const known = Object.keys((error.parentSchema?.["properties"] ?? {}) as object);
  const violation = (message: string, hint?: string): Violation => ({
    field: path,
    message,
    ...(hint !== undefined && { hint }),
    isUnknownField: false,
  });
  switch (error.keyword) {
    case "additionalProperties": {
      const name = String(params["additionalProperty"]);
      const meant = nearest(name, known);
      const hint = meant === undefined ? `known here: ${known.join(", ")}` : `did you mean ${meant}?`;
      return { field: path + segment(name), message: "unknown field", hint, isUnknownField: true };
    }
    case "required":
      return { ...violation("required"), field: path + segment(String(params["missingProperty"])) };
    case "enum":
      return violation(`must be one of ${(params["allowedValues"] as string[]).join(", ")}, not ${show(data)}`);
    case "type":
      return violation(`must be ${typeWords[String(params["type"])] ?? String(params["type"])}, not ${kindOf(data)}`);
    case "anyOf":
      return violation(`must be a number or a text, not ${kindOf(data)}`);
    case "pattern":
      return violation(`cannot be ${show(data)}`, patternHints[String(params["pattern"])]);
    case "minLength":
      return violation("must not be empty");
    case "maxLength":
      return violation(`must have at most ${Number(params["limit"])} letters`);
    case "minimum":
      return violation(`must be at least ${Number(params["limit"])}, not ${show(data)}`);
    case "maximum":
      return violation(`must be at most ${Number(params["limit"])}, not ${show(data)}`);
    case "maxItems":
      return violation(
        params["limit"] === 0 ? "not supported" : `must have at most ${Number(params["limit"])} entries`,
        "leave it out",
      );
    default:
      return violation(error.message ?? "invalid");
  }
}

const typeWords: Readonly<Record<string, string>> = {
  object: "an object",
  array: "a list",
  string: "a text",
  boolean: "true or false",
  integer: "a whole number",
  number: "a number",
};

const kindOf = (value: unknown): string => {
  if (value === null) return "null";
  if (Array.isArray(value)) return typeWords["array"] as string;
  if (typeof value === "boolean" || typeof value === "number") return String(value);
  return typeWords[typeof value] ?? typeof value;
};

/** A value as it was written, cut where it gets long. */
const show = (value: unknown): string => {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
};

/** A step of a path: ".name", "[0]", or '["odd name"]'. JSON pointers write "/" as "~1" and "~" as "~0". */
function segment(pointer: string): string {
  const name = pointer.replaceAll("~1", "/").replaceAll("~0", "~");
  if (/^\d+$/.test(name)) return `[${name}]`;
  return /^[\w-]+$/.test(name) ? `.${name}` : `[${show(name)}]`;
}
