// Serves the API server's admission requests on every replica, from memory.
import { installationCertificates, webhookSecret } from "#controllers/installation/controller.ts";
import type { KubeClient } from "#kube/client.ts";
import type { CertificatePolicy } from "#kube/pki/plan.ts";
import type { Logger } from "#observe/logger.ts";
import { delay } from "#std/abort.ts";
import { createFacts } from "#webhooks/facts.ts";
import { judge } from "#webhooks/kinds.ts";
import { mutate } from "#webhooks/mutation.ts";
import { serveWebhooks } from "#webhooks/server.ts";
import type { createReplicaCaches } from "./caches.ts";
import { followCertificates } from "./certificates.ts";

export interface AdmissionDeps {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly caches: ReturnType<typeof createReplicaCaches>;
  /** Whether the other port is open, too. */
  readonly isReady: () => boolean;
  readonly certificates: CertificatePolicy;
  readonly logger: Logger;
}

const port = 9443;
/** After SIGTERM: how long everything is still answered, until the API server no longer sends anything here. */
const lameDuckMs = 5_000;

export async function serveAdmission(deps: AdmissionDeps, signal: AbortSignal): Promise<{ close(): Promise<void> }> {
  const { client, namespace, caches, isReady, logger } = deps;
  const facts = createFacts(caches);
  const keeper = installationCertificates({ client, namespace, policy: deps.certificates, logger });
  const make = (stop: AbortSignal): Promise<number> => keeper.keep(stop);
  const followed = await followCertificates({ client, namespace, secret: webhookSecret, logger, make }, signal);
  const judgement = { facts, now: () => new Date() };
  const server = await serveWebhooks(
    {
      port,
      judge: (request) => judge(request, judgement),
      mutate: (request) => mutate(request, facts),
      isReady,
      logger,
    },
    followed.current(),
  );
  followed.onRenewal((next) => server.updateCertificates(next));
  return {
    close: async () => {
      await delay(lameDuckMs, AbortSignal.timeout(lameDuckMs + 1_000));
      await server.close();
    },
  };
}
