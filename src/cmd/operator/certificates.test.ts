import { expect, it } from "vitest";
import type { KubeClient } from "#kube/client.ts";
import { KubeError } from "#kube/errors.ts";
import type { Logger } from "#observe/logger.ts";
import { followCertificates } from "./certificates.ts";

it("says what it waits for, and why, when certificates do not come", async () => {
  const said: string[] = [];
  const warn = ({ secret, err }: { secret: string; err?: Error }, message: string) =>
    void said.push(`${message}: ${secret} (${err?.message})`);
  const get = () => Promise.reject(new KubeError("Forbidden", "you may not"));
  const stop = new AbortController();
  const place = {
    client: { get } as unknown as KubeClient,
    namespace: "default",
    secret: "holdfast-server-tls",
    logger: { warn: (...args: Parameters<typeof warn>) => (warn(...args), stop.abort()) } as unknown as Logger,
    makeAfterMs: 0,
  };
  await expect(followCertificates(place, stop.signal)).rejects.toThrow();
  expect(said).toEqual(["still waiting for certificates: holdfast-server-tls (you may not)"]);
});
