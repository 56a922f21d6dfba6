// Answers that say "200 OK" and do not hold what S3 answers: of another program at the address, or of a store that speaks
// an older protocol. None of them may pass for a stored object or for a listing that shows nothing more.
import { once } from "node:events";
import { createServer } from "node:http";
import { createServer as createNetServer, type AddressInfo, type Server, type Socket } from "node:net";
import { expect, it, onTestFinished } from "vitest";
import { createStore, defaultPolicy } from "./retry.ts";
import { createS3Driver } from "./s3.ts";
import type { StoreDriver } from "./driver.ts";

const { signal } = new AbortController();

/** A driver whose every request is answered by `body`. */
const driverOf = (body: string): Promise<StoreDriver> =>
  driverTo(createServer((request, response) => void request.resume().once("end", () => response.end(body))));

async function driverTo(server: Server): Promise<StoreDriver> {
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const driver = createS3Driver(
    {
      provider: "s3",
      bucket: "backups",
      prefix: "",
      endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      credentials: { kind: "keys", accessKeyId: "key", secretAccessKey: "secret" },
      transfer: {},
      wal: { compression: "none", maxParallel: 1 },
      data: { compression: "none", jobs: 1, immediateCheckpoint: false },
    },
    { idleMs: 1000 },
  );
  onTestFinished(() => {
    driver.close();
    server.close();
  });
  return driver;
}

const xml = (content: string): string =>
  `<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${content}</ListBucketResult>`;

it.each(["", "<html><body>Sign in</body></html>"])("takes no object for stored by the answer %j", async (body) => {
  const driver = await driverOf(body);
  await expect(driver.put("pg/wals/1", Buffer.from("wal"), { signal })).rejects.toMatchObject({
    kind: "Unavailable",
    message: "put s3://backups/pg/wals/1: no etag came",
  });
});

it.each(["", "<html><body>Sign in</body></html>"])("takes nothing for absent by the answer %j", async (body) => {
  const driver = await driverOf(body);
  await expect(driver.listPage("pg/wals/", { signal })).rejects.toMatchObject({
    kind: "Unavailable",
    message: expect.stringContaining("list s3://backups/pg/wals/"),
  });
});

it("reads a listing that shows nothing", async () => {
  const driver = await driverOf(xml("<Name>backups</Name><KeyCount>0</KeyCount><IsTruncated>false</IsTruncated>"));
  expect(await driver.listPage("pg/wals/", { signal })).toEqual({ entries: [] });
});

it("refuses a listing that ends without its end", async () => {
  const driver = await driverOf(
    xml("<Name>backups</Name><IsTruncated>true</IsTruncated><Contents><Key>pg/1</Key><Size>1</Size></Contents>"),
  );
  await expect(driver.listPage("pg/", { signal })).rejects.toMatchObject({ kind: "Unsupported" });
});

it("sends no more of a body once the request was refused", async () => {
  let refused: Socket | undefined;
  const stored = createServer((request, response) => {
    request.resume().once("end", () => response.setHeader("etag", '"1"').end());
  });
  // Answers the first connection after its first bytes and reads no further.
  const server = createNetServer((socket) => {
    if (refused !== undefined) return void stored.emit("connection", socket);
    refused = socket.on("error", () => undefined);
    socket.once("data", () => {
      socket.pause();
      socket.write("HTTP/1.1 503 Slow Down\r\ncontent-length: 36\r\n\r\n<Error><Code>SlowDown</Code></Error>");
    });
  });
  const driver = await driverTo(server);
  const body = Buffer.alloc(16 * 1024 * 1024, 1);
  await createStore(driver, { ...defaultPolicy, firstMs: 1 }).put("pg/wals/1", body, { signal });
  // As of a buffer that is used again.
  body.fill(2);
  let others = 0;
  refused?.on("data", (chunk: Buffer) => (others += chunk.filter((byte) => byte === 2).length)).resume();
  if (refused?.closed === false) await once(refused, "close", { signal: AbortSignal.timeout(5_000) });
  expect(others).toBe(0);
});
