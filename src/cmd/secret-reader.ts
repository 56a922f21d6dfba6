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

/**
 * For one reading of a store and the Secrets of its namespace. Each Secret is read once, so that the two halves of a key
 * pair are of the same version. One that may not be read yet counts as "Unavailable": the Role may follow.
 */
export const readSecretsOf = (client: KubeClient, namespace: string): ReadSecret => {
  const found = new Map<string, Promise<Secret | undefined>>();
  return async (selector, { signal }) => {
    const asked = found.get(selector.name) ?? find(client, { namespace, name: selector.name }, signal);
    found.set(selector.name, asked);
    const secret = await asked;
    if (secret === undefined) throw secretNotFound(selector);
    const value = secret.data?.[selector.key];
    if (value === undefined) throw secretKeyMissing(selector);
    return Buffer.from(value, "base64").toString("utf8");
  };
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
