// What a person sees of the sidecars from outside: the memory of their processes, and whether their pods were restarted.
import { readdir, readFile } from "node:fs/promises";
import { kubectl } from "./steps.ts";

/** Resident memory of the sidecar's process in bytes. The processes of this node's containers are this machine's. */
export async function sidecarMemory(namespace: string, pod: string): Promise<number> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(pids.map((pid) => memoryOf(pid, namespace, pod)));
  const [bytes, ...others] = found.filter((memory) => memory !== undefined);
  if (bytes === undefined || others.length > 0) throw new Error(`${pod} has not one sidecar process`);
  return bytes;
}

/** Undefined when the process is another one, or gone. */
async function memoryOf(pid: string, namespace: string, pod: string): Promise<number | undefined> {
  const text = (file: string) => readFile(`/proc/${pid}/${file}`, "utf8").catch(() => "");
  if (!(await text("cmdline")).includes("/app/instance.js")) return undefined;
  const environment = new Set((await text("environ")).split("\0"));
  if (!environment.has(`POD_NAME=${pod}`) || !environment.has(`NAMESPACE=${namespace}`)) return undefined;
  const kilobytes = /^VmRSS:\s+(\d+) kB/m.exec(await text("status"))?.[1];
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
}

/** One line for each pod of a Cluster: its uid, and how often its containers were restarted. Compare before and after. */
export async function restartsOf(namespace: string, cluster: string): Promise<string> {
  const containers = "{range .status.initContainerStatuses[*]}{.name}={.restartCount} {end}";
  const main = "{range .status.containerStatuses[*]}{.name}={.restartCount} {end}";
  const fields = `{range .items[*]}{.metadata.name} {.metadata.uid} ${containers}${main}{"\\n"}{end}`;
  const selector = `cnpg.io/cluster=${cluster},cnpg.io/podRole=instance`;
  const args = ["get", "pods", "--namespace", namespace, "--selector", selector, "-o", `jsonpath=${fields}`];
  const shown = (await kubectl(args)).trim();
  if (!shown.includes("holdfast=")) throw new Error(`no pod of ${cluster} has a sidecar: ${shown}`);
  return shown;
}
