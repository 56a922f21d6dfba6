// What ajv found wrong, in words for the person who wrote the object: the field's path, what is wrong, what is known.
import type { ErrorObject } from "ajv";

/** One line for each violation: "spec.configuration.wal.compresion: unknown field". `root` is where the schema begins. */
export function violations(root: string, errors: readonly ErrorObject[] | null | undefined): string[] {
  return (errors ?? []).map((error) => {
    const path = `${root}${error.instancePath.replaceAll(/\/(\d+)(?=\/|$)/g, "[$1]").replaceAll("/", ".")}`;
    switch (error.keyword) {
      case "additionalProperties":
        return `${path}.${error.params["additionalProperty"]}: unknown field`;
      case "required":
        return `${path}.${error.params["missingProperty"]}: required`;
      case "enum":
        return `${path}: must be one of ${(error.params["allowedValues"] as string[]).join(", ")}`;
      default:
        return `${path}: ${error.message ?? "invalid"}`;
    }
  });
}

export const describeViolations = (root: string, errors: readonly ErrorObject[] | null | undefined): string =>
  violations(root, errors).join("; ");
