// Azurite, Microsoft's own server of Azure Blob Storage for tests, with locked packages of its own, because it is no part of
// the product. Its override takes a small edition of the telemetry that is switched off here anyway: 250 MB less.
import { readFileSync } from "node:fs";
import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { cached, cachePath } from "./cache.ts";
import { command } from "./command.ts";
import type { Run } from "./run.ts";

const files = ["package.json", "package-lock.json"] as const;

const source = (file: string): string => join(import.meta.dirname, "azurite", file);
const place = (): string =>
  cachePath(
    "azurite",
    files.map((file) => readFileSync(source(file), "utf8")),
  );

/** A program for Node, once it is built: its blob service alone. */
export const azuriteProgram = (): string => join(place(), "node_modules", "azurite", "dist", "src", "blob", "main.js");

export const buildAzurite = async (run: Run): Promise<void> => {
  await cached(place(), run, async (folder) => {
    for (const file of files) await copyFile(source(file), join(folder, file));
    const options = ["--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund", "--loglevel=error"];
    await command("npm", ["ci", ...options], { cwd: folder, signal: run.signal });
  });
};
