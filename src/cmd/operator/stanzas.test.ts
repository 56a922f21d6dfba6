import { access } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { expect, it } from "vitest";
import type { Stanza } from "#api/gen/stanza.ts";
import type { KubeClient } from "#kube/client.ts";
import type { ChangeHandler, Informer } from "#kube/informer.ts";
import { createOperatorStanzas } from "./stanzas.ts";

const stanzaWith = (uid: string): Stanza => ({
  metadata: { name: "main", namespace: "db", uid },
  spec: {
    stanzaConfiguration: {
      name: "pg",
      s3Repositories: [
        {
          bucket: "bucket",
          endpoint: "minio:9000",
          region: "r",
          repoPath: "/r",
          secretRef: { accessKeyId: { name: "login", key: "id" }, secretAccessKey: { name: "login", key: "key" } },
        },
      ],
    },
  },
});
const signal = AbortSignal.timeout(20_000);
const folder = (uid: string): string => join(tmpdir(), "stanzas", uid);
const isThere = (uid: string): Promise<boolean> =>
  access(folder(uid)).then(
    () => true,
    () => false,
  );

it("leaves nothing of a deleted Stanza, and takes nothing from another of its name", async () => {
  const [first, second] = [`test-${process.pid}-1`, `test-${process.pid}-2`];
  let current = stanzaWith(first);
  let tell: ChangeHandler<Stanza> = () => undefined;
  const login = { metadata: { name: "login" }, data: { id: btoa("id"), key: btoa("key") } };
  const client = { get: async () => login } as unknown as KubeClient;
  const informer = {
    get: () => current,
    subscribe: (handler: ChangeHandler<Stanza>) => {
      tell = handler;
      return () => undefined;
    },
  } as unknown as Informer<Stanza>;
  const stanzas = createOperatorStanzas(client, informer, pino({ level: "silent" }));
  await stanzas.open(current, signal);
  expect(await isThere(first)).toBe(true);
  const deleted = current;
  current = stanzaWith(second);
  const { config } = await stanzas.open(current, signal);
  tell({ type: "deleted", object: deleted });
  await expect.poll(() => isThere(first)).toBe(false);
  expect(await isThere(second)).toBe(true);
  // What is opened then is read anew.
  expect((await stanzas.open(current, signal)).config).not.toBe(config);
  tell({ type: "deleted", object: current });
  await expect.poll(() => isThere(second)).toBe(false);
  stanzas.close();
});
