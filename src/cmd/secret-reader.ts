// Reads one key of one Secret, as the resolution of a store asks for it.
import type { KubeClient } from "#kube/client.ts";
import { isKubeError } from "#kube/errors.ts";
import type { KubeObject, Resource } from "#kube/object.ts";
import { StoreConfigError } from "#store/config.ts";

const secrets: Resource = { group: "", version: "v1", kind: "Secret", plural: "secrets", namespaced: true };

interface Secret extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
}

export interface SecretSelector {
  readonly name: string;
  readonly key: string;
}

/** Throws StoreConfigError: "SecretNotFound" also for one that may not be read yet, "Unavailable" without an answer. */
export function readSecretsOf(client: KubeClient, namespace: string) {
  return async ({ name, key }: SecretSelector, signal: AbortSignal): Promise<string> => {
    const secret = await find(client, { namespace, name }, signal);
    const value = secret?.data?.[key];
    if (secret === undefined) throw new StoreConfigError("SecretNotFound", `Secret ${name} does not exist`);
    if (value === undefined) throw new StoreConfigError("SecretKeyMissing", `Secret ${name} has no key ${key}`);
    return Buffer.from(value, "base64").toString("utf8");
  };
}

async function find(client: KubeClient, key: { namespace: string; name: string }, signal: AbortSignal): Promise<Secret | undefined> {
  try {
    return await client.get<Secret>(secrets, key, { signal });
  } catch (error) {
    signal.throwIfAborted();
    const why = isKubeError(error, "Forbidden") ? "may not be read yet" : "cannot be read now";
    throw new StoreConfigError("Unavailable", `Secret ${key.name} ${why}`, { cause: error });
  }
}
