// Literals of Python as barman writes them with repr() into backup.info and reads them with ast.literal_eval(): texts,
// numbers, None, booleans, lists, tuples and dictionaries with text keys. Nothing is ever evaluated. Pure.

export type PythonValue =
  | null
  | boolean
  | number
  | string
  | readonly PythonValue[]
  | { readonly [key: string]: PythonValue };

/** Reads one literal; undefined when the text is none, or nested deeper than barman ever does. Tuples become arrays. */
export function parsePythonLiteral(text: string): PythonValue | undefined {
  const reader: Reader = { text, at: 0 };
  try {
    const value = readValue(reader, 0);
    skipSpace(reader);
    return reader.at === text.length ? value : undefined;
  } catch (error) {
    if (error instanceof LiteralError) return undefined;
    throw error;
  }
}

/** Writes a text as Python's repr() does: in single quotes unless only double quotes avoid an escape. */
export function formatPythonText(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const escaped = text.replace(unprintable, (character) => {
    if (character === "'" || character === '"') return character === quote ? `\\${character}` : character;
    return shortEscapes[character] ?? `\\${hexEscape(character.codePointAt(0) ?? 0)}`;
  });
  return quote + escaped + quote;
}

/** Writes a value as Python's repr() does; arrays as lists. */
export function formatPythonLiteral(value: PythonValue): string {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "number") return String(value);
  if (typeof value === "string") return formatPythonText(value);
  if (Array.isArray(value)) return `[${value.map(formatPythonLiteral).join(", ")}]`;
  const entries = Object.entries(value).map(([key, item]) => `${formatPythonText(key)}: ${formatPythonLiteral(item)}`);
  return `{${entries.join(", ")}}`;
}

/** What str.isprintable() refuses, and what an escape needs. */
const unprintable = /[[\p{C}\p{Z}]--[ ]]|[\\'"]/gv;
const shortEscapes: Readonly<Record<string, string>> = { "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t" };
function hexEscape(code: number): string {
  const hex = code.toString(16);
  if (code < 0x100) return `x${hex.padStart(2, "0")}`;
  return code < 0x1_0000 ? `u${hex.padStart(4, "0")}` : `U${hex.padStart(8, "0")}`;
}

class LiteralError extends Error {}

interface Reader {
  readonly text: string;
  at: number;
}

const depthMax = 20;
const words: readonly (readonly [string, PythonValue])[] = [
  ["None", null],
  ["True", true],
  ["False", false],
];

function readValue(reader: Reader, depth: number): PythonValue {
  if (depth > depthMax) throw new LiteralError();
  skipSpace(reader);
  switch (reader.text[reader.at] ?? "") {
    case "'":
    case '"':
      return readText(reader);
    case "[":
      return readItems(reader, "]", depth);
    case "(":
      return readItems(reader, ")", depth);
    case "{":
      return readDictionary(reader, depth);
    default:
      return readScalar(reader);
  }
}

function readScalar(reader: Reader): PythonValue {
  for (const [word, value] of words) if (take(reader, word)) return value;
  const match = /^[-+]?\d+(?:\.\d*)?(?:e[-+]?\d+)?/i.exec(reader.text.slice(reader.at, reader.at + 40));
  if (match === null) throw new LiteralError();
  reader.at += match[0].length;
  return Number(match[0]);
}

function readText(reader: Reader): string {
  const quote = reader.text[reader.at++];
  let value = "";
  for (;;) {
    const character = reader.text[reader.at++];
    if (character === undefined || character === "\n") throw new LiteralError();
    if (character === quote) return value;
    value += character === "\\" ? readEscape(reader) : character;
  }
}

const escapes: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t", "\\": "\\", "'": "'", '"': '"' };
const escapeDigits: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 };

function readEscape(reader: Reader): string {
  const character = reader.text[reader.at++] ?? "";
  const simple = escapes[character];
  if (simple !== undefined) return simple;
  const length = escapeDigits[character];
  const digits = reader.text.slice(reader.at, reader.at + (length ?? 0));
  const code = Number.parseInt(digits, 16);
  if (length === undefined || digits.length < length || !/^[0-9a-fA-F]+$/.test(digits) || code > 0x10_ffff) {
    throw new LiteralError();
  }
  reader.at += length;
  return String.fromCodePoint(code);
}

function readItems(reader: Reader, close: string, depth: number): readonly PythonValue[] {
  reader.at++;
  const items: PythonValue[] = [];
  while (!take(reader, close)) {
    if (items.length > 0 && !take(reader, ",")) throw new LiteralError();
    // A tuple of one item ends in a comma; any literal may.
    if (take(reader, close)) return items;
    items.push(readValue(reader, depth + 1));
  }
  return items;
}

function readDictionary(reader: Reader, depth: number): PythonValue {
  reader.at++;
  const entries: [string, PythonValue][] = [];
  while (!take(reader, "}")) {
    if (entries.length > 0 && !take(reader, ",")) throw new LiteralError();
    if (take(reader, "}")) break;
    const key = readValue(reader, depth + 1);
    if (typeof key !== "string" || !take(reader, ":")) throw new LiteralError();
    entries.push([key, readValue(reader, depth + 1)]);
  }
  return Object.fromEntries(entries);
}

/** Passes white space, then `text` if it is what follows. */
function take(reader: Reader, text: string): boolean {
  skipSpace(reader);
  if (!reader.text.startsWith(text, reader.at)) return false;
  reader.at += text.length;
  return true;
}

function skipSpace(reader: Reader): void {
  while (reader.text[reader.at] === " ") reader.at++;
}
