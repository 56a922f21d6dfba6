// npm run cluster -- build | up | deploy | bundle | status | env | down
import { build } from "./build.ts";
import { bundle } from "./bundle.ts";
import { deploy } from "./deploy.ts";
import { down } from "./down.ts";
import { shellExports } from "./env.ts";
import { describeError } from "./errors.ts";
import { clusterStatus, formatStatus } from "./status.ts";
import { up } from "./up.ts";

const stop = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const) {
  process.once(name, () => stop.abort(new Error(`stopped by ${name}`)));
}
const { signal } = stop;

/** Command → what it does; the answer is the exit status, 0 when there is none. */
const commands: Readonly<Record<string, () => Promise<number | void>>> = {
  build: async () => {
    await build({ signal, forTests: true });
  },
  up: () => up({ signal, forTests: true }),
  deploy: async () => {
    await deploy({ signal });
  },
  bundle,
  status: async () => {
    const status = await clusterStatus({ signal });
    process.stdout.write(formatStatus(status));
    return status.healthy ? 0 : 1;
  },
  env: async () => {
    process.stdout.write(shellExports());
  },
  down: () => down({ signal }),
};

const run = commands[process.argv[2] ?? ""];
if (run === undefined) {
  process.stderr.write(`usage: npm run cluster -- ${Object.keys(commands).join(" | ")}\n`);
  process.exitCode = 2;
} else {
  try {
    process.exitCode = (await run()) ?? 0;
  } catch (error) {
    process.stderr.write(`${describeError(error)}\n`);
    process.exitCode = 1;
  }
}
