// Opens a store: the one place that loads a provider's driver, so that a process which never uses a store does not pay
// for its SDK, and the one place that puts retries around it.
import type { StoreConfig, StoreCredentials } from "./config.ts";
import { createStore, defaultPolicy, type StorePolicy } from "./retry.ts";
import type { ObjectStore } from "./store.ts";

export interface OpenOptions {
  readonly signal?: AbortSignal;
  /**
   * The login for the next request, where it may change in the life of the store; of the same kind as the configuration's,
   * which counts when this is absent.
   */
  readonly credentials?: () => StoreCredentials;
  /** Told when the provider refuses the login. */
  readonly onDenied?: () => void;
  /** What is to differ from the usual retries and deadlines. */
  readonly policy?: Partial<StorePolicy>;
}

/** Makes no request: a wrong key or a missing bucket shows at the first call. */
export async function openStore(config: StoreConfig, options: OpenOptions = {}): Promise<ObjectStore> {
  options.signal?.throwIfAborted();
  const { createS3Driver } = await import("./s3.ts");
  const { credentials, onDenied } = options;
  const policy = { ...policyOf(config, options.policy), ...(onDenied && { onDenied }) };
  const driver = createS3Driver(config, { idleMs: policy.tryMs, ...(credentials && { credentials }) });
  return createStore(driver, policy);
}

function policyOf({ transfer }: StoreConfig, overrides: Partial<StorePolicy> = {}): StorePolicy {
  const { idleMs, bytesPerSecondMost, parallelMost } = transfer;
  return {
    ...defaultPolicy,
    ...(idleMs !== undefined && { tryMs: idleMs, totalMs: Math.max(defaultPolicy.totalMs, 4 * idleMs) }),
    ...(bytesPerSecondMost !== undefined && { bytesPerSecondMost }),
    ...(parallelMost !== undefined && { parallelMost }),
    ...overrides,
  };
}
