// Compares the machine before `up` with the machine after `down`. Nothing here changes anything.
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { existingCgroups } from "./cgroups.ts";
import { command } from "./command.ts";
import { readSysctls } from "./machine.ts";
import { runRoot, stateRoot } from "./paths.ts";
import { findProcesses } from "./processes.ts";
import { strayFolders } from "./stray-files.ts";

/** What was looked at → what was there, one line each. */
export type MachineState = ReadonlyMap<string, readonly string[]>;

/**
 * Rules and chains of both families. Built-in chains and their counters are left out: listing a table is enough to make
 * the kernel show it.
 */
const firewallRules = async (signal: AbortSignal): Promise<string[]> => {
  const dumps = await Promise.all(
    ["iptables-save", "ip6tables-save"].map(async (program) => {
      const text = await command(program, [], { signal }).catch(() => "");
      return text.split("\n").map((line) => `${program}: ${line.replace(/ \[\d+:\d+\]/, "")}`);
    }),
  );
  return dumps.flat().filter((line) => /: (-A|:\S+ -)/.test(line));
};

const networkNamespaces = (): Promise<string[]> => readdir("/run/netns").catch(() => []);

const mountPoints = async (): Promise<string[]> =>
  (await readFile("/proc/self/mountinfo", "utf8")).split("\n").map((line) => line.split(" ")[4] ?? "");

export const observeMachine = async (signal: AbortSignal): Promise<MachineState> => {
  const sysctls = Object.entries(await readSysctls()).map(([name, value]) => `${name} = ${value}`);
  const processes = (await findProcesses()).map(({ name, pid }) => `${name} (${pid})`);
  const state = {
    "processes of the cluster": processes,
    mounts: await mountPoints(),
    "network devices": await readdir("/sys/class/net"),
    "network namespaces": await networkNamespaces(),
    "firewall rules": await firewallRules(signal),
    sysctls,
    cgroups: await existingCgroups(),
    folders: [...[stateRoot, runRoot].filter((folder) => existsSync(folder)), ...(await strayFolders())],
  };
  return new Map(Object.entries(state).map(([what, lines]) => [what, lines.toSorted()]));
};

const counted = (lines: readonly string[]): Map<string, number> => {
  const counts = new Map<string, number>();
  for (const line of lines) counts.set(line, (counts.get(line) ?? 0) + 1);
  return counts;
};

/** One line a difference: "mounts: left behind /run/x" or "sysctls: missing vm.panic_on_oom = 0". Empty is what we want. */
export const differences = (before: MachineState, after: MachineState): string[] => {
  const compare = (what: string, verb: string, from: MachineState, to: MachineState): string[] => {
    const there = counted(from.get(what) ?? []);
    const here = counted(to.get(what) ?? []);
    const extra = [...here].filter(([line, count]) => count > (there.get(line) ?? 0));
    return extra.map(([line]) => `${what}: ${verb} ${line}`);
  };
  return [...before.keys()].flatMap((what) => [
    ...compare(what, "left behind", before, after),
    ...compare(what, "missing", after, before),
  ]);
};
