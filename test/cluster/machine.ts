// What the cluster changes in this machine's kernel: sysctls, one device for the node's address, forwarding rules for pods.
// Everything is written down before or marked, so that `restoreMachine` puts it back.
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { command } from "./command.ts";
import { statePath, volumesRoot } from "./paths.ts";
import type { Run } from "./run.ts";
import { network } from "./settings.ts";

/** Set by us (ip_forward), by kubelet, or by kube-proxy. */
const sysctls = [
  "net.ipv4.ip_forward",
  "net.ipv4.conf.all.route_localnet",
  "net.ipv6.conf.all.forwarding",
  "net.bridge.bridge-nf-call-iptables",
  "net.bridge.bridge-nf-call-ip6tables",
  "vm.overcommit_memory",
  "vm.panic_on_oom",
  "kernel.panic",
  "kernel.panic_on_oops",
  "kernel.keys.root_maxkeys",
  "kernel.keys.root_maxbytes",
] as const;

const sysctlFile = (name: string): string => `/proc/sys/${name.replaceAll(".", "/")}`;
const readSysctl = async (name: string): Promise<string | undefined> =>
  (await readFile(sysctlFile(name), "utf8").catch(() => undefined))?.trim();

/** Name → value of every sysctl the cluster may touch and this kernel has. */
export const readSysctls = async (): Promise<Readonly<Record<string, string>>> => {
  const values = await Promise.all(sysctls.map(async (name) => [name, await readSysctl(name)] as const));
  return Object.fromEntries(values.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
};

const sysctlsBefore = (): string => statePath("sysctls-before.json");

interface Rule {
  readonly table: "filter" | "nat";
  readonly chain: string;
  readonly match: readonly string[];
}

const comment = ["-m", "comment", "--comment", "holdfast-cluster"];

/** Pods may talk to anyone; what leaves the cluster does so under the machine's own address. */
const rules: readonly Rule[] = [
  { table: "filter", chain: "FORWARD", match: ["-s", network.pods, ...comment, "-j", "ACCEPT"] },
  { table: "filter", chain: "FORWARD", match: ["-d", network.pods, ...comment, "-j", "ACCEPT"] },
  {
    table: "nat",
    chain: "POSTROUTING",
    match: ["-s", network.pods, "!", "-d", network.all, ...comment, "-j", "MASQUERADE"],
  },
];

const ruleArguments = (action: "-C" | "-I" | "-D", rule: Rule): readonly string[] => [
  "-w",
  "-t",
  rule.table,
  action,
  rule.chain,
  ...rule.match,
];

const succeeds = (work: Promise<unknown>, run: Run): Promise<boolean> =>
  work.then(
    () => true,
    () => {
      run.signal.throwIfAborted();
      return false;
    },
  );

const hasRule = (rule: Rule, run: Run): Promise<boolean> =>
  succeeds(command("iptables", ruleArguments("-C", rule), { signal: run.signal }), run);

const addDevice = async (run: Run): Promise<void> => {
  const ip = (...args: string[]): Promise<string> => command("ip", args, { signal: run.signal });
  // Kernels without the dummy device have bridges; one without ports serves as well.
  if (!existsSync(`/sys/class/net/${network.device}`)) await ip("link", "add", network.device, "type", "bridge");
  await ip("addr", "replace", `${network.node}/32`, "dev", network.device);
  await ip("link", "set", network.device, "up");
};

export const prepareMachine = async (run: Run): Promise<void> => {
  await mkdir(volumesRoot, { recursive: true });
  if (!existsSync(sysctlsBefore())) await writeFile(sysctlsBefore(), JSON.stringify(await readSysctls()));
  await addDevice(run);
  await writeFile(sysctlFile("net.ipv4.ip_forward"), "1");
  for (const rule of rules) {
    if (!(await hasRule(rule, run))) await command("iptables", ruleArguments("-I", rule), { signal: run.signal });
  }
};

/**
 * Commands for `iptables-restore --noflush` that take Kubernetes' and our rules out of a dump of `iptables-save` and leave
 * every other rule as it is. Exported for its test.
 */
export const removalScript = (dump: string): string => {
  const isKubernetesChain = (name: string): boolean => /^(KUBE-|CNI-)/.test(name);
  return dump
    .split(/^(?=\*)/m)
    .filter((section) => section.startsWith("*"))
    .flatMap((section) => {
      const lines = section.split("\n");
      const chains = lines.flatMap((line) => /^:(\S+)/.exec(line)?.[1] ?? []).filter(isKubernetesChain);
      const references = lines.filter((line) => {
        const [, chain, target] = /^-A (\S+) .*?(?:-j (\S+))?$/.exec(line) ?? [];
        if (chain === undefined || isKubernetesChain(chain)) return false;
        return line.includes("holdfast-cluster") || (target !== undefined && isKubernetesChain(target));
      });
      if (chains.length + references.length === 0) return [];
      return [
        lines[0],
        // Naming a chain in a restore without flush empties it.
        ...chains.map((chain) => `:${chain} - [0:0]`),
        ...references.map((line) => line.replace(/^-A/, "-D")),
        ...chains.map((chain) => `-X ${chain}`),
        "COMMIT",
      ];
    })
    .map((line) => `${line}\n`)
    .join("");
};

const removeRules = async (family: "iptables" | "ip6tables", run: Run): Promise<void> => {
  const dump = await command(`${family}-save`, [], { signal: run.signal }).catch(() => "");
  const script = removalScript(dump);
  if (script !== "") await command(`${family}-restore`, ["-w", "--noflush"], { signal: run.signal, input: script });
};

const restoreSysctls = async (): Promise<void> => {
  const before = await readFile(sysctlsBefore(), "utf8").catch(() => "{}");
  const now = await readSysctls();
  for (const [name, value] of Object.entries(JSON.parse(before) as Record<string, string>)) {
    if (now[name] !== value) await writeFile(sysctlFile(name), value);
  }
};

export const restoreMachine = async (run: Run): Promise<void> => {
  await removeRules("iptables", run);
  await removeRules("ip6tables", run);
  if (existsSync(`/sys/class/net/${network.device}`)) {
    await command("ip", ["link", "delete", network.device], { signal: run.signal });
  }
  await restoreSysctls();
};
