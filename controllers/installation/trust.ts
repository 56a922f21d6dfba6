// Which authorities the API server trusts when it asks our webhooks: the caBundle of each, and nothing else of the
// configuration, so that whoever applies the rest of it is never contradicted. Pure.
import type { KubeObject, Resource } from "#kube/object.ts";

const configurations = (kind: string, plural: string): Resource => ({
  group: "admissionregistration.k8s.io",
  version: "v1",
  kind,
  plural,
  namespaced: false,
});

export const webhookConfigurations = configurations(
  "ValidatingWebhookConfiguration",
  "validatingwebhookconfigurations",
);
export const mutatingConfigurations = configurations("MutatingWebhookConfiguration", "mutatingwebhookconfigurations");

/** Of both. */
export const webhookConfigurationName = "holdfast";

export interface WebhookConfiguration extends KubeObject {
  readonly webhooks?: readonly {
    readonly name: string;
    readonly clientConfig?: { readonly caBundle?: string; readonly url?: string };
  }[];
}

export type PatchOperation = { readonly op: "test" | "add"; readonly path: string; readonly value: string };

/** As JSON patch; empty when every webhook has the bundle. The test fails when the list has changed in between. */
export function planTrust({ webhooks = [] }: WebhookConfiguration, bundle: string): readonly PatchOperation[] {
  const caBundle = Buffer.from(bundle, "utf8").toString("base64");
  return webhooks.flatMap(({ name, clientConfig }, index) =>
    clientConfig === undefined || clientConfig.caBundle === caBundle
      ? []
      : [
          { op: "test", path: `/webhooks/${index}/name`, value: name },
          { op: "add", path: `/webhooks/${index}/clientConfig/caBundle`, value: caBundle },
        ],
  );
}
