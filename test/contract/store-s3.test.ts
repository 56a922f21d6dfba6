import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { inspect } from "node:util";
import { GetObjectTaggingCommand, HeadObjectCommand } from "@aws-sdk/client-s3";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { StoreConfig } from "#store/config.ts";
import type { StoreErrorKind } from "#store/errors.ts";
import { openStore } from "#store/open.ts";
import type { StorePolicy } from "#store/retry.ts";
import { createClient } from "#store/s3-client.ts";
import type { ObjectStore } from "#store/store.ts";
import { makeAuthority } from "./cnpgi-certificates.ts";
import { type Minio, startMinio } from "./minio.ts";
import { openStoreLine, type StoreLine } from "./store-line.ts";
import { type StoreHarness, storeSuite } from "./store.suite.ts";

const signal = AbortSignal.timeout(600_000);
const partBytes = 5 * 1024 * 1024;
/** Nothing is gained by waiting where the outcome is known. */
const quick: Partial<StorePolicy> = { attempts: 3, firstMs: 1, maxMs: 2, tryMs: 5_000, totalMs: 20_000 };
const once: Partial<StorePolicy> = { ...quick, attempts: 1 };

storeSuite("S3", async (): Promise<StoreHarness> => {
  const minio = await startMinio();
  return {
    openEmpty: () => openStore(minio.config()),
    openMissing: () => openStore(minio.config({ bucket: "missing" })),
    unfinishedUploads: () => minio.unfinishedUploads(),
    stop: () => minio.stop(),
  };
});

describe("object store: S3 alone", () => {
  let minio: Minio;
  let line: StoreLine;
  const opened: ObjectStore[] = [];

  beforeAll(async () => {
    minio = await startMinio();
  });
  afterAll(() => minio.stop());
  beforeEach(async () => {
    line = await openStoreLine(minio.port);
  });
  afterEach(async () => {
    for (const store of opened.splice(0)) store.close();
    await line.close();
  });

  const open = async (config: StoreConfig, policy = quick): Promise<ObjectStore> => {
    const store = await openStore(config, { policy });
    opened.push(store);
    return store;
  };
  const overLine = (overrides: Partial<StoreConfig> = {}): StoreConfig =>
    minio.config({ endpoint: `http://127.0.0.1:${line.port}`, ...overrides });

  /** The kind must be the same whatever is asked for. */
  const expectKind = async (config: StoreConfig, kind: StoreErrorKind): Promise<void> => {
    const store = await open(config, once);
    const expected = { name: "StoreError", kind };
    await expect(store.head("key", { signal })).rejects.toMatchObject(expected);
    await expect(store.get("key", { signal })).rejects.toMatchObject(expected);
    await expect(store.put("key", Buffer.from("x"), { signal })).rejects.toMatchObject(expected);
    await expect(store.list("", { signal })[Symbol.asyncIterator]().next()).rejects.toMatchObject(expected);
    await expect(store.delete(["key"], { signal })).rejects.toMatchObject(expected);
  };

  describe("says what is wrong:", () => {
    const keys = { kind: "keys", accessKeyId: "contract", secretAccessKey: "contract-test-secret" } as const;

    it("a wrong access key", async () => {
      await expectKind(minio.config({ credentials: { ...keys, accessKeyId: "somebody" } }), "AccessDenied");
    });

    it("a wrong secret key", async () => {
      await expectKind(minio.config({ credentials: { ...keys, secretAccessKey: "a guess" } }), "AccessDenied");
    });

    it("a session token that is none", async () => {
      await expectKind(minio.config({ credentials: { ...keys, sessionToken: "worn-out-token" } }), "AccessDenied");
    });

    it("a missing bucket", async () => {
      await expectKind(minio.config({ bucket: "missing" }), "NoSuchBucket");
    });

    it("another region", async () => {
      await expectKind(minio.config({ region: "us-west-2" }), "RegionMismatch");
    });

    it("an endpoint where nobody listens", async () => {
      const closed = await openStoreLine(minio.port);
      await closed.close();
      await expectKind(minio.config({ endpoint: `http://127.0.0.1:${closed.port}` }), "EndpointUnreachable");
    });

    it("an endpoint whose name does not exist", async () => {
      await expectKind(minio.config({ endpoint: "http://store.invalid:9000" }), "DNSFailure");
    });

    it("TLS spoken to a plain port", async () => {
      await expectKind(minio.config({ endpoint: `https://127.0.0.1:${minio.port}` }), "TLSVerificationFailed");
    });

    it("an endpoint that does not answer", async () => {
      line.faults.holdAfter = 0;
      const store = await open(overLine(), { ...once, tryMs: 100 });
      await expect(store.head("key", { signal })).rejects.toMatchObject({
        kind: "EndpointUnreachable",
        message: expect.stringContaining("no answer within"),
      });
    });

    it("and never a secret", async () => {
      const credentials = { ...keys, secretAccessKey: "a-wrong-secret", sessionToken: "a-session-token" };
      const store = await open(minio.config({ credentials }), once);
      const seen = await store
        .put("key", Buffer.from("x"), { signal })
        .catch((error: unknown) => inspect(error, { depth: 20, showHidden: true }));
      expect(seen).toContain("AccessDenied");
      expect(seen).not.toMatch(/a-wrong-secret|a-session-token/);
    });
  });

  describe("keys", () => {
    it("may be exchanged while the store is in use, and a refusal is told", async () => {
      const right = minio.config();
      let credentials: StoreConfig["credentials"] = { kind: "keys", accessKeyId: "worn", secretAccessKey: "out" };
      let denied = 0;
      const hooks = { credentials: () => credentials, onDenied: () => void denied++ };
      const store = await openStore({ ...right, credentials }, { policy: quick, ...hooks });
      opened.push(store);
      await expect(store.put("key", Buffer.from("x"), { signal })).rejects.toMatchObject({ kind: "AccessDenied" });
      expect(denied).toBe(1);
      ({ credentials } = right);
      await store.put("key", Buffer.from("x"), { signal });
      credentials = { kind: "keys", accessKeyId: "worn", secretAccessKey: "out" };
      await expect(store.get("key", { signal })).rejects.toMatchObject({ kind: "AccessDenied" });
    });
  });

  describe("TLS", () => {
    it("is accepted from the authority that is configured, and from no other", async () => {
      const [ours, theirs] = [await makeAuthority("ours"), await makeAuthority("theirs")];
      const tls = await openStoreLine(minio.port, { tls: await ours.issue("server", "localhost") });
      try {
        const endpoint = `https://localhost:${tls.port}`;
        const store = await open(minio.config({ endpoint, ca: ours.certificate }));
        const body = randomBytes(17 * 1024 * 1024);
        await store.put("over-tls", body, { signal, ifAbsent: true });
        expect((await buffer((await store.get("over-tls", { signal })).body)).equals(body)).toBe(true);
        await expectKind(minio.config({ endpoint, ca: theirs.certificate }), "TLSVerificationFailed");
        await expectKind(minio.config({ endpoint }), "TLSVerificationFailed");
        // Right authority, but the name is not in the certificate.
        await expectKind(
          minio.config({ endpoint: `https://127.0.0.1:${tls.port}`, ca: ours.certificate }),
          "TLSVerificationFailed",
        );
      } finally {
        await tls.close();
      }
    });
  });

  describe("answers of other providers", () => {
    const answers: readonly [string, number, string, StoreErrorKind][] = [
      ["asks for fewer requests", 503, "SlowDown", "Throttled"],
      ["fails inside", 500, "InternalError", "Unavailable"],
      ["finds our clock wrong", 403, "RequestTimeTooSkewed", "ClockSkew"],
      ["finds the token expired", 400, "ExpiredToken", "AccessDenied"],
      ["keeps the bucket elsewhere", 301, "PermanentRedirect", "RegionMismatch"],
      ["does not know what we ask for", 501, "NotImplemented", "Unsupported"],
      ["got other bytes than we sent", 400, "BadDigest", "Corrupt"],
      ["is in conflict with another request", 409, "ConditionalRequestConflict", "Unavailable"],
      ["is a proxy without a store", 502, "", "Unavailable"],
      ["is a proxy that wants a login", 407, "", "AccessDenied"],
    ];

    it.each(answers)("%s (%i %s)", async (_, status, code, kind) => {
      const server = createServer((request, response) => {
        request.resume();
        response.writeHead(status, { "content-type": code === "" ? "text/html" : "application/xml" });
        response.end(
          code === ""
            ? "<html>Bad <b>gateway"
            : `<?xml version="1.0"?><Error><Code>${code}</Code><Message>words</Message></Error>`,
        );
      });
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      try {
        const { port } = server.address() as AddressInfo;
        const store = await open(minio.config({ endpoint: `http://127.0.0.1:${port}` }), once);
        await expect(store.put("key", Buffer.from("x"), { signal })).rejects.toMatchObject({
          name: "StoreError",
          kind,
        });
        await expect(store.get("key", { signal })).rejects.toMatchObject({ name: "StoreError", kind });
      } finally {
        server.closeAllConnections();
        server.close();
      }
    });
  });

  describe("bodies", () => {
    const body = randomBytes(3 * 1024 * 1024);
    let config: StoreConfig;

    beforeEach(async () => {
      config = overLine();
      const store = await open(config);
      await store.put("key", body, { signal });
    });

    it("cut short are an error", async () => {
      const store = await open(config);
      line.faults.cutAfter = 1_000_000;
      const content = await store.get("key", { signal });
      await expect(buffer(content.body)).rejects.toMatchObject({ name: "StoreError", kind: "EndpointUnreachable" });
    });

    it("garbled on the way are an error", async () => {
      const store = await open(config);
      line.faults.garbleAt = 1_000_000;
      const content = await store.get("key", { signal });
      await expect(buffer(content.body)).rejects.toMatchObject({ name: "StoreError", kind: "Corrupt" });
    });

    it("that stay silent are an error", async () => {
      const store = await open({ ...config, transfer: { idleMs: 300 } }, { attempts: 1 });
      line.faults.holdAfter = 1_000_000;
      const silent = await store.get("key", { signal });
      await expect(buffer(silent.body)).rejects.toMatchObject({ name: "StoreError", kind: "EndpointUnreachable" });
    });
  });

  describe("lost answers", () => {
    it("to a put are mended by another try", async () => {
      const store = await open(overLine());
      line.faults.loseAnswerTo = /^PUT/;
      await store.put("key", Buffer.from("content"), { signal });
      expect(await store.head("key", { signal })).toMatchObject({ size: 7 });
      expect(line.requests.filter((head) => head.startsWith("PUT"))).toHaveLength(2);
    });

    it("to a put if absent end in AlreadyExists, for the caller to compare", async () => {
      const store = await open(overLine());
      line.faults.loseAnswerTo = /^PUT/;
      await expect(store.put("key", Buffer.from("content"), { signal, ifAbsent: true })).rejects.toMatchObject({
        kind: "AlreadyExists",
      });
    });

    it("to a part or to the completion of an upload do not fail it", async () => {
      for (const lost of [/partNumber=2/, /^POST .*uploads/, /^POST .*uploadId/]) {
        const store = await open(overLine());
        line.faults.loseAnswerTo = lost;
        const parts = async function* (): AsyncIterable<Uint8Array> {
          for (const fill of ["a", "b", "c"]) yield Buffer.alloc(partBytes, fill);
        };
        expect(await store.upload("key", parts(), { signal, parallel: 1 })).toBe(3 * partBytes);
        expect(line.faults.loseAnswerTo).toBeUndefined();
        const middle = await store.get("key", { signal, range: { start: partBytes - 1, end: partBytes } });
        expect((await buffer(middle.body)).toString()).toBe("ab");
      }
    });
  });

  describe("conditional puts", () => {
    it("ask first where the provider cannot refuse by itself", async () => {
      const store = await open(overLine({ conditionalPut: false }));
      expect(store.conditionalPut).toBe(false);
      await store.put("key", Buffer.from("first"), { signal, ifAbsent: true });
      await expect(store.put("key", Buffer.from("second"), { signal, ifAbsent: true })).rejects.toMatchObject({
        kind: "AlreadyExists",
      });
      expect(line.requests.filter((head) => head.startsWith("PUT"))).toHaveLength(1);
      expect(line.requests.filter((head) => head.startsWith("HEAD"))).toHaveLength(2);
    });

    it("take one request where it can", async () => {
      const store = await open(overLine());
      await store.put("key", Buffer.from("first"), { signal, ifAbsent: true });
      expect(line.requests).toHaveLength(1);
    });
  });

  describe("fields of objects", () => {
    it("carry tags and encryption, for puts and for uploads", async () => {
      const config = minio.config();
      const store = await open(config);
      const client = createClient(config);
      const options = { signal, tags: { kind: "wal", note: "a b=c/d" }, encryption: "AES256" as const };
      const parts = async function* (): AsyncIterable<Uint8Array> {
        yield Buffer.from("x");
      };
      await store.put("put", Buffer.from("x"), options);
      await store.upload("upload", parts(), { ...options, encryption: "aws:kms", parallel: 1 });
      for (const [key, encryption] of [
        ["put", "AES256"],
        ["upload", "aws:kms"],
      ] as const) {
        const target = { Bucket: config.bucket, Key: config.prefix + key };
        const { TagSet } = await client.send(new GetObjectTaggingCommand(target));
        expect(TagSet).toEqual(
          expect.arrayContaining([
            { Key: "kind", Value: "wal" },
            { Key: "note", Value: "a b=c/d" },
          ]),
        );
        expect(await client.send(new HeadObjectCommand(target))).toMatchObject({ ServerSideEncryption: encryption });
      }
      client.destroy();
    });

    it("are read by whoever has the right signature only: a wrong known digest is refused", async () => {
      const store = await open(minio.config(), once);
      await expect(store.put("key", Buffer.from("x"), { signal, sha256: "0".repeat(64) })).rejects.toMatchObject({
        kind: "Corrupt",
      });
    });
  });

  it("uploads far more than it holds in memory, several parts at once", async () => {
    const store = await open(minio.config(), { tryMs: 30_000, attempts: 2 });
    const before = process.memoryUsage.rss();
    let peak = before;
    const parts = async function* (): AsyncIterable<Uint8Array> {
      for (let turn = 0; turn < 60; turn++) {
        yield Buffer.allocUnsafeSlow(16 * 1024 * 1024).fill(turn);
        peak = Math.max(peak, process.memoryUsage.rss());
      }
    };
    expect(await store.upload("large", parts(), { signal, parallel: 4 })).toBe(960 * 1024 * 1024);
    expect(peak - before).toBeLessThan(400 * 1024 * 1024);
    await store.delete(["large"], { signal });
  });
});
