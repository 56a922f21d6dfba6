// The field reference in docs/: tables made from a CRD's schema and put between two comments of the kind's page. Pure.

interface Schema {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly format?: string;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly additionalProperties?: Schema;
  readonly "x-kubernetes-int-or-string"?: boolean;
}

export interface Definition {
  readonly kind: string;
  /** The schema of the whole object. */
  readonly schema: Schema;
}

export interface Field {
  readonly path: string;
  readonly type: string;
  /** The default, "required", or nothing. */
  readonly preset: string;
  readonly description: string;
}

const begin = (file: string): string => `<!-- fields: made from crds/${file} by \`npm run generate\` -->`;
const end = "<!-- /fields -->";
/** What people write as "1h30m". */
const duration = "^([0-9]+h)?([0-9]+m)?([0-9]+s)?$";

/** The page with its tables renewed; undefined when it has no place for them. */
export function withFieldTables(page: string, file: string, definition: Definition): string | undefined {
  const from = page.indexOf(begin(file));
  const to = page.indexOf(end, from);
  if (from < 0 || to < 0) return undefined;
  return `${page.slice(0, from)}${begin(file)}\n${fieldTables(definition)}\n${page.slice(to)}`;
}

export const placeFor = (file: string): string => `${begin(file)}\n${end}`;

/** One table for spec and one for status, whichever of them the kind has. */
export function fieldTables({ schema }: Definition): string {
  return (["spec", "status"] as const)
    .flatMap((part) => {
      const fields = schema.properties?.[part];
      return fields === undefined
        ? []
        : [`\n### \`${part}\`\n\n${part === "spec" ? specTable(fieldsOf(fields)) : statusTable(fieldsOf(fields))}\n`];
    })
    .join("");
}

const specTable = (fields: readonly Field[]): string =>
  [
    "| field | type | default | meaning |",
    "|---|---|---|---|",
    ...fields.map(({ path, type, preset, description }) => row(`\`${path}\``, type, preset, description)),
  ].join("\n");

/** Nobody writes a status, so nothing in it is required or has a default. */
const statusTable = (fields: readonly Field[]): string =>
  [
    "| field | type | meaning |",
    "|---|---|---|",
    ...fields.map(({ path, type, description }) => row(`\`${path}\``, type, description)),
  ].join("\n");

const row = (...cells: readonly string[]): string =>
  `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;

/** Every field below a schema, each before those that it holds. */
export function fieldsOf(schema: Schema, path = ""): readonly Field[] {
  const { properties = {}, required = [] } = schema;
  return Object.entries(properties).flatMap(([name, field]) => {
    const own = path === "" ? name : `${path}.${name}`;
    const preset =
      field.default !== undefined
        ? `\`${typeof field.default === "string" ? field.default : JSON.stringify(field.default)}\``
        : required.includes(name)
          ? "required"
          : "";
    const shown: Field = { path: own, type: typeOf(field), preset, description: oneLine(field.description ?? "") };
    // Every kind has the same conditions, and conditions.md explains them.
    return name === "conditions" && path === "" ? [shown] : [shown, ...within(field, own)];
  });
}

function within(field: Schema, path: string): readonly Field[] {
  if (field.items !== undefined) return fieldsOf(field.items, `${path}[]`);
  if (field.additionalProperties !== undefined) return fieldsOf(field.additionalProperties, `${path}.<name>`);
  return fieldsOf(field, path);
}

function typeOf(field: Schema): string {
  if (field["x-kubernetes-int-or-string"] === true) return "integer or string";
  if (field.items !== undefined) return `list of ${typeOf(field.items)}${listBounds(field)}`;
  if (field.additionalProperties !== undefined) return `map of ${typeOf(field.additionalProperties)}`;
  if (field.enum !== undefined) return field.enum.map((value) => `\`${String(value)}\``).join(", ");
  if (field.format === "date-time") return "time";
  if (field.pattern === duration) return "duration";
  return `${field.type ?? "any"}${bounds(field)}`;
}

function bounds({ minimum, maximum }: Schema): string {
  if (minimum !== undefined && maximum !== undefined) return `, ${minimum} to ${maximum}`;
  if (minimum !== undefined) return `, at least ${minimum}`;
  return maximum === undefined ? "" : `, at most ${maximum}`;
}

function listBounds({ minItems, maxItems }: Schema): string {
  return bounds({
    ...(minItems !== undefined && { minimum: minItems }),
    ...(maxItems !== undefined && { maximum: maxItems }),
  });
}

const oneLine = (text: string): string => text.replaceAll(/\s+/g, " ").trim();
