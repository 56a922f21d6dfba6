// The preflight against a real MinIO: what is wrong is told by the check that it belongs to, and nothing of it stays in
// the bucket.
import { randomUUID } from "node:crypto";
import {
  AbortMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  ListObjectVersionsCommand,
  PutBucketVersioningCommand,
} from "@aws-sdk/client-s3";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { Check } from "#store/check.ts";
import type { StoreConfig } from "#store/config.ts";
import { openStore } from "#store/open.ts";
import { preflight } from "#store/preflight.ts";
import type { StorePolicy } from "#store/retry.ts";
import { createClient } from "#store/s3-client.ts";
import { makeAuthority } from "./cnpgi-certificates.ts";
import { type Minio, startMinio } from "./minio.ts";
import { loginAllowed } from "./minio-session.ts";
import { openStoreLine } from "./store-line.ts";
import { openStoreProxy, type Refusal, type StoreProxy } from "./store-proxy.ts";

const signal = AbortSignal.timeout(600_000);
const key = ".holdfast-check/uid-of-the-store";
const quick: Partial<StorePolicy> = { attempts: 1, tryMs: 5_000, totalMs: 10_000 };
const denied: Refusal = { status: 403, code: "AccessDenied" };

let minio: Minio;
let proxy: StoreProxy;
beforeAll(async () => {
  minio = await startMinio();
  proxy = await openStoreProxy(minio.port);
});
afterEach(() => {
  delete proxy.rules.refuse;
  delete proxy.rules.headers;
});
afterAll(async () => {
  await proxy.close();
  await minio.stop();
});

type Checks = Readonly<Record<string, Check>>;

async function run(config: StoreConfig, policy = quick): Promise<Checks> {
  const store = await openStore(config, { policy });
  try {
    return Object.fromEntries((await preflight(store, { key, signal })).map((check) => [check.name, check]));
  } finally {
    store.close();
  }
}
const statuses = (checks: Checks) =>
  Object.fromEntries(Object.values(checks).map(({ name, status }) => [name, status]));
const proxied = (): StoreConfig => minio.config({ endpoint: proxy.endpoint });

/** Everything in the whole bucket below the prefix of this store, old versions and marks of deletion included. */
async function leftIn(config: StoreConfig): Promise<readonly (string | undefined)[]> {
  const { endpoint = "", credentials } = minio.config();
  const client = createClient({ ...config, endpoint, credentials });
  const listing = new ListObjectVersionsCommand({ Bucket: config.bucket, Prefix: config.prefix });
  const { Versions = [], DeleteMarkers = [] } = await client.send(listing);
  client.destroy();
  return [...Versions, ...DeleteMarkers].map(({ Key }) => Key);
}

const expectNothingLeft = async (config: StoreConfig): Promise<void> => {
  expect(await leftIn(config)).toEqual([]);
  expect(await minio.unfinishedUploads()).toBe(0);
};

describe("a preflight of a store that works", () => {
  it("passes everything and leaves nothing", async () => {
    const config = minio.config();
    const checks = await run(config);
    expect(statuses(checks)).toEqual({
      Resolve: "Passed",
      Connect: "Passed",
      TLS: "NotRun",
      ClockSkew: "Passed",
      Region: "Passed",
      Addressing: "Passed",
      Login: "Passed",
      List: "Passed",
      Put: "Passed",
      Multipart: "Passed",
      Get: "Passed",
      Delete: "Passed",
      Versioning: "Passed",
      ObjectLock: "Passed",
    });
    expect(checks["Versioning"]?.message).toBe("off");
    expect(checks["Addressing"]?.message).toMatch(/in the path/);
    await expectNothingLeft(config);
  });

  it("checks the certificate of an endpoint with TLS", async () => {
    const [ours, theirs] = [await makeAuthority("ours"), await makeAuthority("theirs")];
    const line = await openStoreLine(minio.port, { tls: await ours.issue("server", "localhost") });
    try {
      const endpoint = `https://localhost:${line.port}`;
      expect(statuses(await run(minio.config({ endpoint, ca: ours.certificate })))).toMatchObject({
        TLS: "Passed",
        Delete: "Passed",
      });
      for (const wrong of [{ ca: theirs.certificate }, {}]) {
        const checks = await run(minio.config({ endpoint, ...wrong }));
        expect(checks["Connect"]?.status).toBe("Passed");
        expect(checks["TLS"]).toMatchObject({ status: "Failed", reason: "TLSVerificationFailed" });
        expect(checks["TLS"]?.message).toMatch(/endpointCA/);
        expect(checks["List"]?.status).toBe("NotRun");
      }
      const plain = await run(minio.config({ endpoint: endpoint.replace("https:", "http:") }));
      expect(plain["Addressing"]).toMatchObject({ status: "Failed", reason: "AddressingMismatch" });
      expect(plain["Addressing"]?.message).toMatch(/write https:/);
    } finally {
      await line.close();
    }
  });

  it("removes what a preflight that died left behind, and nothing else", async () => {
    const config = minio.config();
    const client = createClient(config);
    const store = await openStore(config);
    await store.put(key, Buffer.from("left"), { signal });
    await store.put("server/base/1/backup.info", Buffer.from("data"), { signal });
    const target = { Bucket: config.bucket, Key: config.prefix + key };
    await client.send(new CreateMultipartUploadCommand(target));
    const other = { ...target, Key: `${config.prefix}server/wals/1` };
    const { UploadId } = await client.send(new CreateMultipartUploadCommand(other));
    expect(await minio.unfinishedUploads()).toBe(2);
    await run(config);
    expect(await leftIn(config)).toEqual([`${config.prefix}server/base/1/backup.info`]);
    expect(await minio.unfinishedUploads()).toBe(1);
    await client.send(new AbortMultipartUploadCommand({ ...other, UploadId }));
    client.destroy();
    store.close();
  });

  it("removes old versions where the bucket keeps them, and says that it does", async () => {
    const config = minio.config({ bucket: `versioned-${randomUUID().slice(0, 8)}` });
    const client = createClient(config);
    await client.send(new CreateBucketCommand({ Bucket: config.bucket, ObjectLockEnabledForBucket: true }));
    const VersioningConfiguration = { Status: "Enabled" } as const;
    await client.send(new PutBucketVersioningCommand({ Bucket: config.bucket, VersioningConfiguration }));
    const checks = await run(config);
    expect(checks["Versioning"]?.message).toMatch(/^on/);
    expect(checks["ObjectLock"]?.message).toMatch(/^on, without a default retention/);
    expect(await leftIn(config)).toEqual([]);
    client.destroy();
  });
});

describe("a preflight tells", () => {
  const keys = { kind: "keys", accessKeyId: "contract", secretAccessKey: "contract-test-secret" } as const;

  it.each([
    ["access key", { ...keys, accessKeyId: "somebody" }],
    ["secret key", { ...keys, secretAccessKey: "a-wrong-secret" }],
  ])("a wrong %s, without repeating it", async (_, credentials) => {
    const checks = await run(minio.config({ credentials }));
    expect(checks["Login"]).toMatchObject({ status: "Failed", reason: "AccessDenied" });
    expect(checks["Login"]?.message).toMatch(/Secret/);
    for (const name of ["List", "Put", "Get", "Delete"]) expect(checks[name]?.status).toBe("NotRun");
    expect(JSON.stringify(checks)).not.toContain("a-wrong-secret");
  });

  it("a missing bucket", async () => {
    const checks = await run(minio.config({ bucket: "missing" }));
    expect(checks["List"]).toMatchObject({ status: "Failed", reason: "NoSuchBucket" });
    expect(checks["Put"]?.status).toBe("NotRun");
  });

  it("a bucket that endpointURL names already", async () => {
    const { endpoint = "", bucket, ...config } = minio.config();
    const checks = await run({ ...config, bucket, endpoint: `${endpoint}/${bucket}` });
    expect(checks["Addressing"]).toMatchObject({ status: "Failed", reason: "AddressingMismatch" });
  });

  it("another region", async () => {
    const checks = await run(minio.config({ region: "us-west-2" }));
    expect(checks["Region"]).toMatchObject({ status: "Failed", reason: "RegionMismatch" });
    expect(checks["List"]?.status).toBe("NotRun");
  });

  it("a name that leads nowhere, and a port where nobody listens", async () => {
    const nowhere = await run(minio.config({ endpoint: "http://store.invalid:9000" }));
    expect(nowhere["Resolve"]).toMatchObject({ status: "Failed", reason: "DNSFailure" });
    expect(nowhere["Connect"]?.status).toBe("NotRun");
    const closed = await openStoreLine(minio.port);
    await closed.close();
    const checks = await run(minio.config({ endpoint: `http://127.0.0.1:${closed.port}` }));
    expect(checks["Resolve"]?.status).toBe("Passed");
    expect(checks["Connect"]).toMatchObject({ status: "Failed", reason: "EndpointUnreachable" });
  });

  it("a server that takes connections and answers nothing, in little time", async () => {
    const line = await openStoreLine(minio.port);
    line.faults.holdAfter = 0;
    const startedAt = performance.now();
    const checks = await run(minio.config({ endpoint: `http://127.0.0.1:${line.port}` }), {
      attempts: 9,
      tryMs: 8_000,
      totalMs: 60_000,
    });
    expect(performance.now() - startedAt).toBeLessThan(12_000);
    expect(checks["Connect"]?.status).toBe("Passed");
    expect(checks["List"]).toMatchObject({ status: "Unknown", reason: "EndpointUnreachable" });
    expect(checks["List"]?.message).toMatch(/no answer within/);
    await line.close();
  });

  describe("what a key may not do:", () => {
    const reading = ["s3:ListBucket", "s3:GetObject"];
    const runWith = async (actions: readonly string[]): Promise<readonly [StoreConfig, Checks]> => {
      const config = minio.config({ credentials: await loginAllowed(minio, actions) });
      return [config, await run(config)];
    };

    it("nothing that we need, with the permissions that the documentation names", async () => {
      const [config, checks] = await runWith([...reading, "s3:PutObject", "s3:DeleteObject"]);
      const needed = ["Login", "List", "Put", "Multipart", "Get", "Delete"];
      expect(needed.map((name) => checks[name]?.status)).toEqual(needed.map(() => "Passed"));
      expect(checks["Versioning"]).toMatchObject({ status: "Unknown", reason: "AccessDenied" });
      expect(checks["ObjectLock"]).toMatchObject({ status: "Unknown", reason: "AccessDenied" });
      await expectNothingLeft(config);
    });

    it("write", async () => {
      const [config, checks] = await runWith(reading);
      expect(statuses(checks)).toMatchObject({
        Login: "Passed",
        List: "Passed",
        Put: "Failed",
        Multipart: "NotRun",
        Get: "Passed",
        Delete: "NotRun",
      });
      expect(checks["Put"]).toMatchObject({ reason: "AccessDenied", message: expect.stringMatching(/allowed to do/) });
      await expectNothingLeft(config);
    });

    it("read", async () => {
      const [config, checks] = await runWith(["s3:ListBucket", "s3:PutObject", "s3:DeleteObject"]);
      expect(statuses(checks)).toMatchObject({ Put: "Passed", Get: "Failed", Delete: "Passed" });
      await expectNothingLeft(config);
    });

    it("list: that proves nothing about the login", async () => {
      const [, checks] = await runWith(["s3:GetObject", "s3:PutObject"]);
      expect(statuses(checks)).toMatchObject({ Login: "Unknown", List: "Failed", Put: "NotRun" });
    });

    it("remove, and what stayed of the preflight goes as soon as that is allowed", async () => {
      const [config, checks] = await runWith([...reading, "s3:PutObject"]);
      expect(checks["Delete"]).toMatchObject({ status: "Failed", reason: "AccessDenied" });
      expect(await leftIn(config)).toEqual([config.prefix + key]);
      const whole = { ...config, credentials: minio.config().credentials };
      expect((await run(whole))["Delete"]?.status).toBe("Passed");
      await expectNothingLeft(whole);
    });
  });

  it("a clock that is an hour off, by the provider's date and by its refusal", async () => {
    const anHourAgo = new Date(Date.now() - 3_600_000).toUTCString();
    proxy.rules.headers = (headers) => ({ ...headers, date: anHourAgo });
    const byDate = await run(proxied());
    expect(byDate["ClockSkew"]).toMatchObject({ status: "Failed", reason: "ClockSkew" });
    delete proxy.rules.headers;
    proxy.rules.refuse = () => ({ status: 403, code: "RequestTimeTooSkewed" });
    const byRefusal = await run(proxied());
    expect(byRefusal["ClockSkew"]).toMatchObject({ status: "Failed", reason: "ClockSkew" });
    expect(byRefusal["List"]?.status).toBe("NotRun");
  });

  it("what is not allowed beside writing, and leaves nothing when a step fails half-way", async () => {
    const steps: readonly [string, (request: { method: string; url: string }) => boolean][] = [
      ["Multipart", ({ method, url }) => method === "POST" && url.includes("uploads")],
      ["Multipart", ({ method, url }) => method === "PUT" && url.includes("partNumber")],
      ["Multipart", ({ method, url }) => method === "POST" && url.includes("uploadId")],
      ["Get", ({ method, url }) => method === "GET" && url.includes(key)],
    ];
    for (const [name, isRefused] of steps) {
      const config = proxied();
      proxy.rules.refuse = (request) => (isRefused(request) ? denied : undefined);
      const checks = await run(config);
      expect(checks[name]).toMatchObject({ status: "Failed", reason: "AccessDenied" });
      expect(checks["Delete"]?.status).toBe("Passed");
      await expectNothingLeft(config);
    }
  });
});
