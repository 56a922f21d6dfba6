// `npm run bench -- NAME [OPTION…]`: runs one benchmark, side by side with what it is compared with. Progress goes to
// standard error, the result to standard output: its last line is one JSON object.
import { existsSync } from "node:fs";
import { join } from "node:path";

export interface Benchmark {
  /** Runs it; the result is printed as one line of JSON. */
  readonly run: (options: readonly string[]) => Promise<object>;
}

const names = ["wal", "drain", "backup", "restore", "stanza", "operator", "admission"];
const [name = "", ...options] = process.argv.slice(2);
const file = join(import.meta.dirname, `${name}.ts`);
if (!names.includes(name) || !existsSync(file)) {
  const known = names.filter((candidate) => existsSync(join(import.meta.dirname, `${candidate}.ts`)));
  process.stderr.write(`usage: npm run bench -- NAME, with NAME one of: ${known.join(", ")}\n`);
  process.exit(2);
}
const { run } = (await import(file)) as Benchmark;
const result = await run(options);
process.stdout.write(`${JSON.stringify({ bench: name, ...result })}\n`);
