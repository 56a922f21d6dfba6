// A small program of the cluster, started by `up`: makes and removes persistent volumes, and gives the store its TLS
// endpoint. Two jobs in one process, because a process of its own costs each 50 MB.
import { startRun } from "./run.ts";
import { serveTls } from "./tls-endpoint.ts";
import { provisionVolumes } from "./volumes.ts";

const stop = new AbortController();
process.once("SIGTERM", () => stop.abort());
const run = startRun({ signal: stop.signal });
await Promise.all([serveTls(run), provisionVolumes(run)]);
