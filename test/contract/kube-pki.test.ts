// Mutual TLS 1.3 under continuous renewal: the keeper rotates leaves and authorities every few seconds in a real API
// server, two servers and CNPG's side of the connection load them late, and no handshake may fail. Only the keeper's
// clock is made to hurry, so that a machine under load proves the order of renewal, not its own speed.
import { randomInt, X509Certificate } from "node:crypto";
import { connect, createServer, type Server, type TLSSocket } from "node:tls";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createLogger } from "#observe/logger.ts";
import { delay } from "#std/abort.ts";
import type { KubeClient } from "#kube/client.ts";
import { createCertificateKeeper, type Secret, secrets } from "#kube/pki/keeper.ts";
import { splitCertificates } from "#kube/pki/pem.ts";
import type { CertificatePolicy } from "#kube/pki/plan.ts";
import { type ApiServer, startApiServer } from "./api-server.ts";
import { adminClient, signal } from "./kube-widget.ts";

const day = 86_400_000;
const policy: CertificatePolicy = { authorityLifeMs: 300 * day, leafLifeMs: 90 * day, backdateMs: day, graceMs: 2500 };
/** Longest time until a party asks for a changed Secret. */
const lagMaxMs = 500;
const runMs = 20_000;
const serviceName = "holdfast";
const leaves = [
  { name: "server-tls", usage: "server", dnsNames: [serviceName, `${serviceName}.default.svc`] },
  { name: "client-tls", usage: "client", dnsNames: ["holdfast-client"] },
] as const;

interface Pem {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

let api: ApiServer;
let client: KubeClient & { close(): void };
beforeAll(async () => {
  api = await startApiServer();
  client = await adminClient(api);
});
afterAll(async () => {
  client?.close();
  await api?.stop();
});

async function load(name: string): Promise<Pem> {
  const secret = await client.get<Secret>(secrets, { namespace: "default", name }, { signal: signal() });
  const text = (entry: string) => Buffer.from(secret?.data?.[entry] ?? "", "base64").toString();
  return { cert: text("tls.crt"), key: text("tls.key"), ca: text("ca.crt") };
}

/** Calls `use` with each new content of a Secret, up to lagMaxMs late, until the signal aborts. */
async function follow(name: string, stop: AbortSignal, use: (pem: Pem) => void): Promise<void> {
  let held = "";
  while (!stop.aborted) {
    const pem = await load(name);
    if (held !== JSON.stringify(pem)) use(pem);
    held = JSON.stringify(pem);
    await delay(randomInt(20, lagMaxMs), stop).catch(() => undefined);
  }
}

/** Repeats what it is told. */
async function startServer(pem: Pem): Promise<Server> {
  const server = createServer(
    { ...pem, minVersion: "TLSv1.3", requestCert: true, rejectUnauthorized: true },
    (socket) => socket.on("error", () => socket.destroy()).pipe(socket),
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

interface Caller {
  roots: string;
  cert: string;
  key: string;
}

/** A connection as CNPG's operator makes it; resolves after a byte went there and back, which proves both sides' trust. */
function call(server: Server, { roots, cert, key }: Caller): Promise<TLSSocket> {
  const { port } = server.address() as AddressInfo;
  const socket = connect({
    host: "127.0.0.1",
    port,
    servername: serviceName,
    ca: roots,
    cert,
    key,
    minVersion: "TLSv1.3",
  });
  return new Promise((resolve, reject) => {
    socket.once("error", reject).once("close", () => reject(new Error("closed by the server")));
    socket.once("data", () => resolve(socket));
    socket.write("x");
  });
}

const signerOf = (pem: string): string => new X509Certificate(pem).issuer;

describe("certificates under continuous renewal", () => {
  it("never fail a handshake and never drop a connection", { timeout: 60_000 }, async () => {
    const stop = new AbortController();
    let aheadMs = 0;
    const keeper = createCertificateKeeper({
      client,
      namespace: "default",
      authoritySecret: "authority",
      leaves,
      policy,
      logger: createLogger("error"),
      now: () => Date.now() + aheadMs,
    });
    await keeper.keep(signal());
    const keeping = async (): Promise<void> => {
      while (!stop.signal.aborted) {
        await keeper.keep(signal());
        const { ca } = await load("authority");
        // Between two rotations nothing happens for months: skip them.
        if (splitCertificates(ca).length === 1) aheadMs += (policy.authorityLifeMs * 2) / 3;
        await delay(100, stop.signal).catch(() => undefined);
      }
    };
    const first = await load("server-tls");
    const servers = [await startServer(first), await startServer(first)];
    const pair = await load("client-tls");
    const caller: Caller = { roots: first.cert, cert: pair.cert, key: pair.key };
    const signers = new Set<string>();
    const shown = new Set<string>();
    const background = [
      keeping(),
      ...servers.map((server) =>
        follow("server-tls", stop.signal, (pem) => {
          server.setSecureContext({ ...pem, minVersion: "TLSv1.3" });
          signers.add(signerOf(pem.cert));
        }),
      ),
      follow("server-tls", stop.signal, ({ cert }) => void (caller.roots = cert)),
      follow("client-tls", stop.signal, ({ cert, key }) => void Object.assign(caller, { cert, key })),
    ];

    const lasting = await call(servers[0]!, caller);
    const failures: string[] = [];
    let handshakes = 0;
    for (const until = performance.now() + runMs; performance.now() < until;) {
      for (const server of servers) {
        try {
          const socket = await call(server, caller);
          shown.add(socket.getPeerX509Certificate()!.fingerprint256);
          socket.destroy();
          handshakes++;
        } catch (error) {
          failures.push(String(error));
        }
      }
      await delay(5, signal());
    }
    const answered = new Promise((resolve) => lasting.once("data", resolve));
    lasting.write("still there");
    expect(String(await answered)).toBe("still there");
    lasting.destroy();
    const dropped = { roots: caller.roots, cert: pair.cert, key: pair.key };
    await expect(call(servers[0]!, dropped)).rejects.toThrow();
    stop.abort();
    await Promise.all(background);
    for (const server of servers) server.close();

    expect(failures).toEqual([]);
    expect(handshakes).toBeGreaterThan(100);
    expect(shown.size).toBeGreaterThan(3);
    expect(signers.size).toBeGreaterThan(2);
    console.log(`${handshakes} handshakes, ${shown.size} server certificates, ${signers.size} authorities, 0 failures`);
  });

  it("are refused by a server that does not trust their authority", async () => {
    const keep = (prefix: string) =>
      createCertificateKeeper({
        client,
        namespace: "default",
        authoritySecret: `${prefix}-ca`,
        leaves: leaves.map((leaf) => ({ ...leaf, name: `${prefix}-${leaf.name}` })),
        logger: createLogger("error"),
      }).keep(signal());
    await keep("ours");
    await keep("theirs");
    const [ours, theirs] = [await load("ours-server-tls"), await load("theirs-client-tls")];
    const good = await load("ours-client-tls");
    const server = await startServer(ours);
    (await call(server, { roots: ours.cert, cert: good.cert, key: good.key })).destroy();
    await expect(call(server, { roots: ours.cert, cert: theirs.cert, key: theirs.key })).rejects.toThrow();
    await expect(call(server, { roots: theirs.ca, cert: good.cert, key: good.key })).rejects.toThrow();
    server.close();
  });
});
