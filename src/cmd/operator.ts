// The operator. Every replica serves CNPG over mutual TLS and admission over HTTPS, from memory; one of them leads and runs
// the controllers. The ports are opened last and closed first: the probes of the Deployment wait for both.
import { createAccessKeeper } from "#controllers/cluster/access-keeper.ts";
import { certificatePolicy } from "#controllers/installation/certificate-policy.ts";
import type { Informer } from "#kube/informer.ts";
import { runWhenLeader } from "#kube/leader.ts";
import type { KubeObject } from "#kube/object.ts";
import { createRestClient } from "#kube/rest-client.ts";
import { loadClientNodeTransport } from "#kube/transport-client-node.ts";
import { createLogger, logLevels, type LogLevel } from "#observe/logger.ts";
import { aborted } from "#std/abort.ts";
import { serveAdmission } from "./operator/admission.ts";
import { createReplicaCaches } from "./operator/caches.ts";
import { lead } from "./operator/lead.ts";
import { serveCnpg } from "./operator/serve.ts";
import { createRecoveryGate } from "./operator/recovery-gate.ts";
import { createOperatorStanzas, removeFormerFolders } from "./operator/stanzas.ts";
import { createOperatorStores } from "./operator/stores.ts";
import { stopSignal } from "./stop-signal.ts";

const { POD_NAME: pod, POD_NAMESPACE: namespace, LOG_LEVEL: level = "info" } = process.env;
if (pod === undefined || namespace === undefined) throw new Error("POD_NAME and POD_NAMESPACE must be set");

const logger = createLogger(logLevels.includes(level as LogLevel) ? (level as LogLevel) : "info", { pod });
const certificates = certificatePolicy(process.env["CERTIFICATE_LIFETIME"]);
const signal = stopSignal();
const transport = await loadClientNodeTransport();
const client = createRestClient(transport, { userAgent: "holdfast" });

const caches = createReplicaCaches(client, namespace, logger);
const informers: readonly Informer<KubeObject>[] = Object.values(caches);
/** Serves until every call is answered, so it outlives `signal` by the drain. */
const background = new AbortController();
const running = informers.map((informer) => informer.run(background.signal));

await removeFormerFolders();
const stores = createOperatorStores(client, caches.stores, logger);
const stanzas = createOperatorStanzas(client, caches.stanzas, logger);
const access = createAccessKeeper(client, caches);
const leadership = runWhenLeader(
  { client, lease: { namespace, name: "holdfast" }, identity: pod, logger },
  signal,
  (leading) => lead({ client, namespace, pod, caches, access, stores, stanzas, certificates, logger }, leading),
);

await Promise.all(informers.map((informer) => informer.synced(signal)));
const gate = createRecoveryGate({ stores, stanzas, logger });
let isServing = false;
const isReady = (): boolean => isServing && !signal.aborted;
const admission = await serveAdmission({ client, namespace, caches, isReady, certificates, logger }, signal);
const server = await serveCnpg({ client, namespace, caches, access, gate, logger }, signal);
isServing = true;
logger.info("serving");

await aborted(signal);
logger.info("stopping");
await Promise.all([server.close(), admission.close()]);
await leadership.catch((error: unknown) => logger.error({ err: error }, "leading failed"));
background.abort();
await Promise.all(running);
stores.close();
stanzas.close();
transport.close();
