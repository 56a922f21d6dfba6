// The certificates of one server, from the Secret that the leader keeps: waited for at first, then followed while connections
// go on.
import type { KubeClient } from "#kube/client.ts";
import { secrets, type Secret } from "#kube/pki/keeper.ts";
import type { Logger } from "#observe/logger.ts";
import { delay } from "#std/abort.ts";

/** PEM texts. `clientCa` is every authority that is trusted. */
export interface ServerCertificates {
  readonly certificate: string;
  readonly key: string;
  readonly clientCa: string;
}

export interface FollowedCertificates {
  current(): ServerCertificates;
  /** Called with each later content. */
  onRenewal(handler: (certificates: ServerCertificates) => void): void;
}

export interface CertificatesPlace {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly secret: string;
  readonly logger: Logger;
  /** Makes them when the leader does not. */
  readonly make?: (signal: AbortSignal) => Promise<unknown>;
  /** How long the leader is waited for. */
  readonly makeAfterMs?: number;
}

const lookEveryMs = 10_000;
/**
 * The leader makes them within seconds. One of an earlier version may know nothing of this Secret, and stays until this
 * replica serves. Writing is under lock, so two makers do no harm.
 */
const makeAfterMs = 10_000;

/** Follows until the signal aborts. */
export async function followCertificates(place: CertificatesPlace, signal: AbortSignal): Promise<FollowedCertificates> {
  let current = await readUntilThere(place, signal);
  const handlers: ((certificates: ServerCertificates) => void)[] = [];
  const follow = async (): Promise<void> => {
    while (!signal.aborted) {
      await delay(lookEveryMs, signal).catch(() => undefined);
      const next = await read(place, signal).catch(() => undefined);
      if (next === undefined || next.certificate === current.certificate) continue;
      current = next;
      for (const handler of handlers) handler(next);
      place.logger.info({ secret: place.secret }, "serving with renewed certificates");
    }
  };
  void follow();
  return { current: () => current, onRenewal: (handler) => void handlers.push(handler) };
}

async function readUntilThere(place: CertificatesPlace, signal: AbortSignal): Promise<ServerCertificates> {
  const { secret, logger, make } = place;
  let since = performance.now();
  for (;;) {
    let obstacle: unknown;
    const found = await read(place, signal).catch((error: unknown) => void (obstacle = error));
    if (found !== undefined) return found;
    if (performance.now() - since > (place.makeAfterMs ?? makeAfterMs)) {
      if (make === undefined || obstacle !== undefined)
        logger.warn({ err: obstacle, secret }, "still waiting for certificates");
      await make?.(signal).catch((error: unknown) => logger.warn({ err: error, secret }, "certificates not made"));
      since = performance.now();
    }
    await delay(500, signal);
  }
}

async function read(
  { client, namespace, secret: name }: CertificatesPlace,
  signal: AbortSignal,
): Promise<ServerCertificates | undefined> {
  const secret = await client.get<Secret>(secrets, { namespace, name }, { signal });
  const text = (key: string): string => Buffer.from(secret?.data?.[key] ?? "", "base64").toString("utf8");
  const [certificate, key, clientCa] = [text("tls.crt"), text("tls.key"), text("ca.crt")];
  return certificate === "" || key === "" || clientCa === "" ? undefined : { certificate, key, clientCa };
}
