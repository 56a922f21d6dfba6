// `npm run demo`: the main job from nothing. A cluster archives its WAL and is backed up, rows go on being written, and a
// second cluster comes back from the archive as the first one was at a moment in between. Ends with the rows counted.
import { styleText } from "node:util";
import { deploy } from "../cluster/deploy.ts";
import { up } from "../cluster/up.ts";
import {
  adapt,
  apply,
  example,
  freshNamespace,
  kubectl,
  primaryOf,
  psql,
  startWriting,
  until,
  untilHealthy,
  read,
} from "../e2e/steps.ts";

const namespace = "demo";
const started = Date.now();

const say = (text: string): void => {
  const elapsed = `${Math.round((Date.now() - started) / 1000)}s`.padStart(5);
  console.log(`${styleText("dim", elapsed)}  ${styleText("bold", text)}`);
};

/** Shows a command as one would type it and what it prints. */
async function show(...args: string[]): Promise<void> {
  console.log(styleText("cyan", `\n$ kubectl ${args.join(" ")}`));
  console.log(await kubectl(args));
}

const adapted = (file: string): string => adapt(example(file), `demo-${started}`);

say("bringing up Kubernetes, CloudNativePG and MinIO (the first time this compiles them: about ten minutes)");
await up();
say("building Holdfast and rolling it out");
await deploy();

say("a store and a cluster of two instances that archives to it (examples/objectstore.yaml, examples/cluster.yaml)");
await freshNamespace(namespace);
await apply(namespace, adapted("objectstore.yaml"));
await apply(namespace, adapted("cluster.yaml"));
await untilHealthy(namespace, "pg");
const primary = await primaryOf(namespace, "pg");
await psql(
  namespace,
  primary,
  "CREATE TABLE orders (id bigserial PRIMARY KEY, at timestamptz DEFAULT clock_timestamp(), note text)",
);

say("rows are being written; a backup is taken meanwhile (examples/backup.yaml)");
const before = startWriting(namespace, primary);
await apply(namespace, adapted("backup.yaml"));
await kubectl(
  ["wait", "--namespace", namespace, "--for=condition=Ready", "backups.holdfast.dev/pg-first", "--timeout=300s"],
  {
    signal: AbortSignal.timeout(310_000),
  },
);
const expected = await before.stop();
const moment = await psql(
  namespace,
  primary,
  `SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`,
);
say(`${expected} rows at ${moment}; more are written after that moment`);

const after = startWriting(namespace, primary);
await until(
  "rows after the moment",
  60_000,
  async () => Number(await psql(namespace, primary, "SELECT count(*) FROM orders")) >= expected + 50,
);
const total = await after.stop();
await psql(namespace, primary, "SELECT pg_switch_wal()");
say(`${total} rows now`);

say(`a new cluster as "pg" was at ${moment} (examples/recovery.yaml)`);
await apply(namespace, adapted("recovery.yaml").replace(/targetTime: "[^"]*"/, `targetTime: "${moment}"`));
await untilHealthy(namespace, "pg-restored");
const restored = Number(
  await psql(namespace, await primaryOf(namespace, "pg-restored"), "SELECT count(*) FROM orders"),
);

await until(
  "the archive's window to show",
  120_000,
  async () => (await read(namespace, "archives/minio-pg", "{.status.windowFrom}")) !== "",
);
await show("get", "backups", "-n", namespace);
await show("get", "objectstores,archives", "-n", namespace);
await show("describe", "backups.holdfast.dev/pg-first", "-n", namespace);
if (restored !== expected) {
  say(styleText("red", `the restored cluster has ${restored} rows, not ${expected}`));
  process.exit(1);
}
say(`pg has ${total} rows, pg-restored has the ${restored} that were there at ${moment}`);
console.log(`
Try next:
  eval "$(npm run -s cluster -- env)"      # kubectl for this cluster
  kubectl get clusters,objectstores,archives,backups -n ${namespace}
  kubectl describe archive minio-pg -n ${namespace}
Clean up:
  npm run cluster -- down`);
