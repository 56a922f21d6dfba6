// How the API server comes to trust the webhooks: the operator, with the rights that config/rbac gives it, writes the
// authorities into the configuration as config/webhook brings it, and applying that again takes nothing away.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { parseAllDocuments } from "yaml";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { installationCertificates } from "#controllers/installation/controller.ts";
import {
  mutatingConfigurations,
  webhookConfigurations,
  type WebhookConfiguration,
} from "#controllers/installation/trust.ts";
import type { KubeClient } from "#kube/client.ts";
import { KubeError } from "#kube/errors.ts";
import type { KubeObject, Resource } from "#kube/object.ts";
import { secrets, type Secret } from "#kube/pki/keeper.ts";
import { usualPolicy } from "#kube/pki/plan.ts";
import { createRestClient } from "#kube/rest-client.ts";
import { loadClientNodeTransport } from "#kube/transport-client-node.ts";
import { createLogger } from "#observe/logger.ts";
import { followCertificates } from "../../src/cmd/operator/certificates.ts";
import { type ApiServer, startApiServer } from "./api-server.ts";
import { adminClient, signal } from "./kube-widget.ts";

const root = join(import.meta.dirname, "..", "..");
const namespace = "default";
let api: ApiServer;
let admin: KubeClient & { close(): void };
/** With the operator's rights only. */
let operator: KubeClient;
let closeOperator: () => void;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "holdfast-trust-"));
  api = await startApiServer();
  admin = await adminClient(api);
  writeFileSync(join(folder, "kubeconfig"), api.kubeconfig("admin"), { mode: 0o600 });
  await grant();
  const transport = await loadClientNodeTransport(api.kubeconfig("nobody"));
  operator = createRestClient(transport);
  closeOperator = () => transport.close();
});
afterAll(async () => {
  closeOperator?.();
  admin?.close();
  await api?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const rbac = (kind: string, plural: string, namespaced: boolean): Resource => ({
  group: "rbac.authorization.k8s.io",
  version: "v1",
  kind,
  plural,
  namespaced,
});

/** The user "nobody" becomes what the ServiceAccount is in an installation. */
async function grant(): Promise<void> {
  const resources: Readonly<Record<string, Resource>> = {
    ClusterRole: rbac("ClusterRole", "clusterroles", false),
    ClusterRoleBinding: rbac("ClusterRoleBinding", "clusterrolebindings", false),
    Role: rbac("Role", "roles", true),
    RoleBinding: rbac("RoleBinding", "rolebindings", true),
  };
  for (const file of ["clusterrole.yaml", "role.yaml"]) {
    for (const document of parseAllDocuments(readFileSync(join(root, "config", "rbac", file), "utf8"))) {
      const object = document.toJS() as KubeObject & { subjects?: object[] };
      const resource = resources[object.kind ?? ""];
      if (resource === undefined) throw new Error(`${file} has a ${object.kind}`);
      if (object.subjects) object.subjects = [{ apiGroup: resource.group, kind: "User", name: "nobody" }];
      const metadata = { ...object.metadata, ...(resource.namespaced && { namespace }) };
      await admin.create<KubeObject>(resource, { ...object, metadata }, { signal: signal() });
    }
  }
}

function kubectl(...args: readonly string[]): string {
  const env = { KUBECONFIG: join(folder, "kubeconfig"), HOME: folder };
  const { stdout, stderr, status } = spawnSync(api.kubectl, args, { encoding: "utf8", env });
  expect({ status, stderr }).toMatchObject({ status: 0 });
  return stdout;
}

const inFolder = (file: string): string => join(root, "config", "webhook", file);
/** What judges and what changes, each in a file. */
const files = ["-f", inFolder("configuration.yaml"), "-f", inFolder("mutating.yaml")];
const read = () =>
  Promise.all(
    [webhookConfigurations, mutatingConfigurations].map((resource) =>
      admin.get<WebhookConfiguration>(resource, { name: "holdfast" }, { signal: signal() }),
    ),
  );
const bundles = async (): Promise<(string | undefined)[]> =>
  (await read()).flatMap(
    (configuration) => configuration?.webhooks?.map(({ clientConfig }) => clientConfig?.caBundle) ?? [],
  );
const versions = async () => (await read()).map((configuration) => configuration?.metadata.resourceVersion);
const authorities = async (): Promise<string | undefined> =>
  (await admin.get<Secret>(secrets, { namespace, name: "holdfast-ca" }, { signal: signal() }))?.data?.["ca.crt"];

describe("the authorities of the webhooks", () => {
  const logger = createLogger("error");
  const keep = () =>
    installationCertificates({ client: operator, namespace, policy: usualPolicy, logger }).keep(signal());

  it("are made also where no webhooks are installed", async () => {
    await expect(keep()).resolves.toBeGreaterThan(0);
    const secret = await admin.get<Secret>(secrets, { namespace, name: "holdfast-webhook-tls" }, { signal: signal() });
    expect(Object.keys(secret?.data ?? {}).toSorted()).toEqual(["ca.crt", "tls.crt", "tls.key"]);
  });

  it("are written into each webhook, once", async () => {
    kubectl("apply", ...files);
    expect(await bundles()).toEqual([undefined, undefined, undefined, undefined]);
    await keep();
    const wanted = await authorities();
    expect(wanted).toBeDefined();
    expect(await bundles()).toEqual([wanted, wanted, wanted, wanted]);
    const before = await versions();
    await keep();
    expect(await versions()).toEqual(before);
  });

  it("stay when the configuration is applied again, in either way", async () => {
    const wanted = await authorities();
    kubectl("apply", ...files);
    kubectl("apply", "--server-side", "--force-conflicts", ...files);
    expect(await bundles()).toEqual([wanted, wanted, wanted, wanted]);
  });

  it("come back when it is replaced", async () => {
    kubectl("replace", ...files);
    expect(await bundles()).toEqual([undefined, undefined, undefined, undefined]);
    await keep();
    const wanted = await authorities();
    expect(await bundles()).toEqual([wanted, wanted, wanted, wanted]);
  });

  it("need not be told for CloudNativePG's certificates to be made", async () => {
    kubectl("replace", ...files);
    const mute: KubeClient = { ...operator, patch: () => Promise.reject(new KubeError("Forbidden", "not here")) };
    const key = { namespace, name: "holdfast-server-tls" };
    await admin.delete(secrets, key, { signal: signal() });
    const kept = installationCertificates({ client: mute, namespace, policy: usualPolicy, logger }).keep(signal());
    await expect(kept).rejects.toThrow("not here");
    expect((await admin.get<Secret>(secrets, key, { signal: signal() }))?.data?.["tls.crt"]).toBeDefined();
    await keep();
    const wanted = await authorities();
    expect(await bundles()).toEqual([wanted, wanted, wanted, wanted]);
  });

  it.each([
    ["judges", webhookConfigurations],
    ["changes", mutatingConfigurations],
  ])("are all that the operator may change, of that configuration that %s alone", async (_, resource) => {
    const other = { metadata: { name: "other" }, webhooks: [] };
    await admin.create<KubeObject>(resource, other, { signal: signal() });
    const options = { type: "merge", signal: signal() } as const;
    await expect(operator.patch(resource, { name: "other" }, {}, options)).rejects.toThrow(/forbidden/);
    await expect(operator.delete(resource, { name: "holdfast" }, options)).rejects.toThrow(/forbidden/);
  });
});

interface AccessReview extends KubeObject {
  readonly spec: { readonly user: string; readonly resourceAttributes: Readonly<Record<string, string>> };
  readonly status?: { readonly allowed: boolean };
}
const accessReviews: Resource = {
  group: "authorization.k8s.io",
  version: "v1",
  kind: "SubjectAccessReview",
  plural: "subjectaccessreviews",
  namespaced: false,
};

describe("the operator", () => {
  const secret = (name: string) => ({ resource: "secrets", name, namespace });
  const ours = (resource: string) => ({ group: "holdfast.dev", resource, name: "x", namespace: "elsewhere" });
  it.each([
    [true, "update", secret("holdfast-server-tls")],
    [false, "patch", secret("holdfast-server-tls")],
    [false, "update", secret("other")],
    [false, "delete", secret("holdfast-ca")],
    [false, "list", { resource: "secrets", namespace }],
    [true, "delete", ours("archives")],
    [false, "delete", ours("instancereports")],
    [false, "patch", ours("objectstores")],
    [true, "watch", ours("stanzas")],
    [false, "patch", ours("stanzas")],
    [false, "update", { group: "postgresql.cnpg.io", resource: "clusters", name: "x", namespace: "elsewhere" }],
    [false, "create", { resource: "pods", subresource: "exec", name: "x", namespace: "elsewhere" }],
    [true, "watch", { resource: "namespaces" }],
    [false, "update", { group: "admissionregistration.k8s.io", resource: "validatingwebhookconfigurations" }],
    [false, "update", { group: "admissionregistration.k8s.io", resource: "mutatingwebhookconfigurations" }],
  ])("may (%s) %s %j", async (may, verb, what) => {
    const spec = { user: "nobody", resourceAttributes: { ...what, verb } };
    const review: AccessReview = { metadata: { name: "" }, spec };
    const { status } = await admin.create<AccessReview>(accessReviews, review, { signal: signal() });
    expect(status?.allowed).toBe(may);
  });
});

describe("a replica", () => {
  it("makes its certificate itself where the leader, of an earlier version, does not", async () => {
    const secret = "holdfast-webhook-tls";
    const logger = createLogger("error");
    await admin.delete(secrets, { namespace, name: secret }, { signal: signal() });
    const keeper = installationCertificates({ client: operator, namespace, policy: usualPolicy, logger });
    const place = { client: operator, namespace, secret, logger, makeAfterMs: 100 };
    const stop = new AbortController();
    const make = (until: AbortSignal): Promise<number> => keeper.keep(until);
    const followed = await followCertificates({ ...place, make }, AbortSignal.any([stop.signal, signal()]));
    expect(followed.current().certificate).toContain("BEGIN CERTIFICATE");
    expect(Buffer.from((await authorities()) ?? "", "base64").toString()).toBe(followed.current().clientCa);
    stop.abort();
  });
});

describe("the installation", () => {
  it("goes into another namespace as a whole", () => {
    const resources = [relative(folder, join(root, "config", "default"))];
    writeFileSync(join(folder, "kustomization.yaml"), JSON.stringify({ namespace: "elsewhere", resources }));
    const objects = parseAllDocuments(kubectl("kustomize", folder)).map((document) => document.toJS());
    expect(objects.filter((object) => JSON.stringify(object).includes("cnpg-system"))).toEqual([]);
    const services = objects
      .filter(({ kind }) => kind.endsWith("WebhookConfiguration"))
      .flatMap(({ webhooks }) => webhooks.map(({ clientConfig }: { clientConfig: object }) => clientConfig));
    const at = (path: string) => ({ service: { name: "holdfast-webhook", namespace: "elsewhere", path, port: 443 } });
    expect(services.toSorted((one, other) => (one.service.path < other.service.path ? -1 : 1))).toEqual([
      at("/mutate"),
      at("/validate"),
      at("/validate"),
      at("/validate"),
    ]);
  });
});
