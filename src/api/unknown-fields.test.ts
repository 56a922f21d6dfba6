import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { describe, expect, it } from "vitest";

type Schema = Readonly<Record<string, unknown>>;

const crds = join(import.meta.dirname, "..", "..", "crds");

/** Paths of the objects that name their fields, and from which the API server would take away any other. */
function pruned(schema: Schema, path: string): readonly string[] {
  const fields = Object.entries((schema["properties"] ?? {}) as Readonly<Record<string, Schema>>);
  const here = fields.length > 0 && schema["x-kubernetes-preserve-unknown-fields"] !== true ? [path] : [];
  const items = schema["items"] as Schema | undefined;
  return [
    ...here,
    ...fields.flatMap(([name, field]) => pruned(field, `${path}.${name}`)),
    ...(items === undefined ? [] : pruned(items, `${path}[]`)),
  ];
}

describe("what people write", () => {
  it.each(["objectstores.yaml", "backups.yaml", "backupschedules.yaml"])(
    "reaches us with its misspelt fields, at every depth of spec in %s",
    (file) => {
      const crd = parse(readFileSync(join(crds, file), "utf8"));
      const { properties } = crd.spec.versions[0].schema.openAPIV3Schema;
      expect(pruned(properties.spec, "spec")).toEqual([]);
    },
  );
});
