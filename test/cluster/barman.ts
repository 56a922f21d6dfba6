// Barman's cloud programs in a Python environment of their own. They are here to be compared with, in tests and benchmarks.
import { join } from "node:path";
import { cached, cachePath } from "./cache.ts";
import { command } from "./command.ts";
import type { Run } from "./run.ts";
import { versions } from "./settings.ts";

/** Barman asks for psycopg2, which has no wheel; psycopg2-binary is the same module with one. */
const requirements = [
  "boto3==1.44.*",
  "psycopg2-binary==2.9.*",
  "python-dateutil==2.9.*",
  "python-snappy==0.7.*",
  "cramjam==2.14.*",
  "zstandard==0.25.*",
  "lz4==4.4.*",
];
const barman = `barman==${versions.barman}`;

const place = (): string => cachePath(`barman-${versions.barman}`, requirements);

/** Folder of the programs and of the `python` that has their modules. */
export const barmanPrograms = (): string => join(place(), "bin");

export const buildBarman = async (run: Run): Promise<void> => {
  await cached(place(), run, async (folder) => {
    await command("/usr/bin/python3", ["-m", "venv", folder], { signal: run.signal });
    const install = (...args: string[]): Promise<string> =>
      command(join(folder, "bin", "pip"), ["install", "--quiet", "--only-binary=:all:", ...args], {
        signal: run.signal,
      });
    await install(...requirements);
    await install("--no-deps", barman);
  });
};
