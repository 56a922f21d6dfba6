// Our webhook server in front of a real API server: the CRDs and the webhook configuration as they are installed, only that
// the API server asks this process by URL.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse, parseAllDocuments } from "yaml";
import { createReplicaCaches } from "../../src/cmd/operator/caches.ts";
import type { KubeClient } from "#kube/client.ts";
import type { KubeObject } from "#kube/object.ts";
import { issueAuthority, issueLeaf } from "#kube/pki/issue.ts";
import type { KeyPair } from "#kube/pki/secret-shape.ts";
import { createLogger } from "#observe/logger.ts";
import {
  mutatingConfigurations,
  webhookConfigurations,
  type WebhookConfiguration,
} from "#controllers/installation/trust.ts";
import { createFacts } from "#webhooks/facts.ts";
import { judge } from "#webhooks/kinds.ts";
import { mutate } from "#webhooks/mutation.ts";
import { mutatePath, reviewPath, serveWebhooks, type WebhookServer } from "#webhooks/server.ts";
import { toolFolders } from "../cluster/build-go.ts";
import { waitUntil } from "./api-server.ts";
import { definitions, signal } from "./kube-widget.ts";

export interface AdmissionUnderTest {
  readonly server: WebhookServer;
  readonly caches: ReturnType<typeof createReplicaCaches>;
  readonly authority: KeyPair;
  /** "CREATE clusters.postgresql.cnpg.io pg", in order. */
  readonly asked: readonly string[];
  /** Applies the configurations, with these changes to each clientConfig. */
  configure(changes?: Readonly<Record<string, unknown>>): Promise<void>;
  stop(): Promise<void>;
}

const root = join(import.meta.dirname, "..", "..");
const host = "127.0.0.1";
const validity = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 86_400_000) };

export const issueServing = (authority: KeyPair): Promise<KeyPair> =>
  issueLeaf(authority, { ...validity, usage: "server", dnsNames: ["localhost"] });
export const makeAuthority = (): Promise<KeyPair> => issueAuthority(validity);

export async function startAdmission(client: KubeClient): Promise<AdmissionUnderTest> {
  await defineKinds(client);
  const logger = createLogger("error");
  const caches = createReplicaCaches(client, "default", logger);
  const stop = new AbortController();
  const informers = [caches.stores, caches.stanzas, caches.clusters, caches.namespaces];
  const running = informers.map((informer) => informer.run(stop.signal));
  await Promise.all(informers.map((informer) => informer.synced(signal())));
  const authority = await makeAuthority();
  const asked: string[] = [];
  const deps = { facts: createFacts(caches), now: () => new Date() };
  const server = await serveWebhooks(
    {
      host,
      port: 0,
      judge: (request) => {
        asked.push(`${request.operation} ${request.resource} ${request.name}`);
        return judge(request, deps);
      },
      mutate: (request) => mutate(request, deps.facts),
      isReady: () => true,
      logger,
    },
    await issueServing(authority),
  );
  const configure = (changes: Readonly<Record<string, unknown>> = {}): Promise<void> =>
    applyConfiguration(client, server.port, authority, changes);
  await configure();
  return {
    server,
    caches,
    authority,
    asked,
    configure,
    stop: async () => {
      stop.abort();
      await Promise.all(running);
      await server.close(500);
    },
  };
}

/** Our kinds and, as its release has them, those of CNPG. */
export async function defineKinds(client: KubeClient): Promise<void> {
  const ours = readdirSync(join(root, "crds"))
    .filter((file) => file !== "kustomization.yaml")
    .map((file) => parse(readFileSync(join(root, "crds", file), "utf8")) as KubeObject);
  const manifest = readFileSync(join(toolFolders().cnpg, "cnpg.yaml"), "utf8");
  const theirs = manifest
    .split(/^---$/m)
    .filter((text) => /^ {2}name: (clusters|backups)\.postgresql\.cnpg\.io$/m.test(text))
    .flatMap((text) => parseAllDocuments(text).map((document) => document.toJS() as KubeObject));
  const names = [...ours, ...theirs].map(({ metadata }) => metadata.name);
  for (const definition of [...ours, ...theirs])
    await client.apply<KubeObject>(definitions, definition, { fieldManager: "test", signal: signal() });
  await waitUntil("all kinds are served", async () => {
    const { items } = await client.list<Definition>(definitions, { signal: signal() });
    const served = items.filter(({ status }) => status?.conditions?.some(isEstablished));
    return names.every((name) => served.some(({ metadata }) => metadata.name === name));
  });
}

interface Definition extends KubeObject {
  readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
}

const isEstablished = ({ type, status }: { readonly type: string; readonly status: string }): boolean =>
  type === "Established" && status === "True";

async function applyConfiguration(
  client: KubeClient,
  port: number,
  authority: KeyPair,
  changes: Readonly<Record<string, unknown>>,
): Promise<void> {
  const caBundle = Buffer.from(authority.certificate).toString("base64");
  const installed = [
    [webhookConfigurations, "configuration.yaml", reviewPath],
    [mutatingConfigurations, "mutating.yaml", mutatePath],
  ] as const;
  for (const [resource, file, path] of installed) {
    const configuration = parse(readFileSync(join(root, "config", "webhook", file), "utf8")) as WebhookConfiguration;
    const url = `https://localhost:${port}${path}`;
    const webhooks = configuration.webhooks?.map((webhook) => ({
      ...webhook,
      clientConfig: { url, caBundle, ...changes },
    }));
    const object = { ...configuration, webhooks } as WebhookConfiguration;
    await client.apply<KubeObject>(resource, object, { fieldManager: "test", signal: signal() });
  }
}
