import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { describe, expect, it } from "vitest";
import { fieldTables, fieldsOf, placeFor, withFieldTables } from "./field-tables.ts";

const root = join(import.meta.dirname, "..");

const schema = {
  properties: {
    spec: {
      type: "object",
      required: ["name"],
      properties: {
        name: { type: "string", description: "Its\n  name: a | b." },
        mode: { type: "string", enum: ["a", "b"], default: "a" },
        count: { type: "integer", minimum: 1, maximum: 32 },
        wait: { type: "string", pattern: "^([0-9]+h)?([0-9]+m)?([0-9]+s)?$" },
        lines: { type: "array", minItems: 1, items: { type: "object", properties: { at: { type: "string" } } } },
        tags: { type: "object", additionalProperties: { type: "string" } },
        limits: { type: "object", additionalProperties: { "x-kubernetes-int-or-string": true } },
      },
    },
    status: { type: "object", properties: { since: { type: "string", format: "date-time" } } },
  },
};

describe("the field reference", () => {
  it("has a row for each field, with its type, default and meaning", () => {
    expect(fieldTables({ kind: "Thing", schema })).toBe(`
### \`spec\`

| field | type | default | meaning |
|---|---|---|---|
| \`name\` | string | required | Its name: a \\| b. |
| \`mode\` | \`a\`, \`b\` | \`a\` |  |
| \`count\` | integer, 1 to 32 |  |  |
| \`wait\` | duration |  |  |
| \`lines\` | list of object, at least 1 |  |  |
| \`lines[].at\` | string |  |  |
| \`tags\` | map of string |  |  |
| \`limits\` | map of integer or string |  |  |

### \`status\`

| field | type | meaning |
|---|---|---|
| \`since\` | time |  |
`);
  });

  it("leaves the rest of the page alone, and the second time changes nothing", () => {
    const page = `# Thing\n\nWords.\n\n${placeFor("things.yaml")}\n\nMore words.\n`;
    const once = withFieldTables(page, "things.yaml", { kind: "Thing", schema });
    expect(once).toMatch(/^# Thing\n\nWords\.\n/);
    expect(once).toMatch(/\n\nMore words\.\n$/);
    expect(withFieldTables(once ?? "", "things.yaml", { kind: "Thing", schema })).toBe(once);
    expect(withFieldTables("# Thing\n", "things.yaml", { kind: "Thing", schema })).toBeUndefined();
  });
});

const kinds = readdirSync(join(root, "crds"))
  .filter((file) => file !== "kustomization.yaml")
  .map((file) => ({ file, crd: parse(readFileSync(join(root, "crds", file), "utf8")) }))
  // InstanceReport is between the operator and its sidecars only.
  .filter(({ crd }) => crd.spec.names.categories?.includes("holdfast"));

describe("docs/", () => {
  it.each(kinds.map(({ crd, file }) => [crd.spec.names.kind, file, crd]))(
    "has a page for %s with its fields",
    (_, file, crd) => {
      const path = join(root, "docs", `${crd.spec.names.singular}.md`);
      expect(existsSync(path)).toBe(true);
      const definition = { kind: crd.spec.names.kind, schema: crd.spec.versions[0].schema.openAPIV3Schema };
      const page = readFileSync(path, "utf8");
      expect(withFieldTables(page, file, definition), "`npm run generate` makes it").toBe(page);
    },
  );

  it("says of every field what it means", () => {
    const silent = kinds.flatMap(({ crd, file }) => {
      const { spec, status } = crd.spec.versions[0].schema.openAPIV3Schema.properties;
      return [...fieldsOf(spec ?? {}, "spec"), ...fieldsOf(status ?? {})]
        .filter(({ description }) => description === "")
        .map(({ path }) => `${file}: ${path}`);
    });
    expect(silent).toEqual([]);
  });
});
