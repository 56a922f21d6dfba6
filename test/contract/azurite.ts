// Azurite's blob service for one test file or journey: on a free port behind TLS, with an account, a key and an authority of
// its own, its data in a temporary folder. The program comes from the cluster harness' cache (`npm run cluster -- build`).
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { azuriteProgram } from "../cluster/azurite.ts";
import { createContainer, type AzureAccount } from "./azure-client.ts";
import { makeAuthority } from "./cnpgi-certificates.ts";

export interface Azurite extends AzureAccount {
  readonly container: string;
  stop(): Promise<void>;
}

export interface AzuriteOptions {
  /** Where it listens: an address of this machine, also the node's of the embedded cluster, so that pods reach it. */
  readonly host?: string;
}

const account = "contract";
const container = "backups";
const startLimitMs = 60_000;

export async function startAzurite({ host = "127.0.0.1" }: AzuriteOptions = {}): Promise<Azurite> {
  const program = azuriteProgram();
  if (!existsSync(program)) throw new Error(`no Azurite at ${program}: run "npm run cluster -- build"`);
  const folder = await mkdtemp(join(tmpdir(), "holdfast-azurite-"));
  const authority = await makeAuthority("contract tests");
  const leaf = await authority.issue("server", host);
  const [certificate, privateKey] = [join(folder, "server.crt"), join(folder, "server.key")];
  await writeFile(certificate, leaf.certificate);
  await writeFile(privateKey, leaf.key, { mode: 0o600 });
  const key = randomBytes(64).toString("base64");
  const tls = [`--cert=${certificate}`, `--key=${privateKey}`];
  // pgBackRest speaks one version of the API, which Azurite need not know of.
  const fixed = ["--disableProductStyleUrl", "--skipApiVersionCheck", "--disableTelemetry", "--silent"];
  const where = [`--location=${folder}`, `--blobHost=${host}`, "--blobPort=0"];
  const child = spawn(process.execPath, [program, ...where, ...tls, ...fixed], {
    cwd: folder,
    env: { HOME: folder, AZURITE_ACCOUNTS: `${account}:${key}` },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const killWithUs = (): void => void child.kill("SIGKILL");
  process.once("exit", killWithUs);
  const stop = async (): Promise<void> => {
    process.off("exit", killWithUs);
    const ended = new Promise((resolve) => child.once("exit", resolve));
    if (child.kill("SIGKILL")) await ended;
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    createInterface({ input: child.stdout }).on("line", (line) => {
      const endpoint = /successfully listens on (https:\S+)/.exec(line)?.[1];
      if (endpoint !== undefined) resolve(endpoint);
    });
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`Azurite ended with code ${code}`)));
    AbortSignal.timeout(startLimitMs).addEventListener("abort", () => reject(new Error("Azurite does not start")));
    const login = { endpoint: await promise, ca: authority.certificate, account, key };
    await createContainer(login, container);
    return { ...login, container, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
