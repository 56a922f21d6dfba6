// Programs that this process has started, for tests that kill one.
import { readdir, readFile } from "node:fs/promises";

/** Process numbers, by the command that they were started with. */
export async function childrenNamed(command: string): Promise<readonly number[]> {
  const found: number[] = [];
  for (const entry of await readdir("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    const [stat, line] = await Promise.all(
      ["stat", "cmdline"].map((file) => readFile(`/proc/${entry}/${file}`, "utf8").catch(() => "")),
    );
    const parent = stat!.slice(stat!.lastIndexOf(")") + 2).split(" ")[1];
    if (parent === String(process.pid) && line!.includes(`${command}\0`)) found.push(Number(entry));
  }
  return found;
}
