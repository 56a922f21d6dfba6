// Reads one key of one Secret, as the resolution of a store asks for it.
import type { KubeClient } from "#kube/client.ts";
import { isKubeError } from "#kube/errors.ts";
import type { KubeObject, Resource } from "#kube/object.ts";
import { StoreConfigError } from "#store/config.ts";
import { secretKeyMissing, secretNotFound, type ReadSecret } from "#store/resolve.ts";

const secrets: Resource = { group: "", version: "v1", kind: "Secret", plural: "secrets", namespaced: true };

interface Secret extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
}

/** For the Secrets of one namespace. One that may not be read yet counts as "Unavailable": the Role may follow. */
export const readSecretsOf =
  (client: KubeClient, namespace: string): ReadSecret =>
  async (selector, { signal }) => {
    const secret = await find(client, { namespace, name: selector.name }, signal);
    if (secret === undefined) throw secretNotFound(selector);
    const value = secret.data?.[selector.key];
    if (value === undefined) throw secretKeyMissing(selector);
    return Buffer.from(value, "base64").toString("utf8");
  };

async function find(
  client: KubeClient,
  key: { namespace: string; name: string },
  signal: AbortSignal,
): Promise<Secret | undefined> {
  try {
    return await client.get<Secret>(secrets, key, { signal });
  } catch (error) {
    signal.throwIfAborted();
    const why = isKubeError(error, "Forbidden") ? "may not be read yet" : "cannot be read now";
    throw new StoreConfigError("Unavailable", `secret ${key.name} ${why}`, { cause: error });
  }
}
