// Mutual TLS of our gRPC server: who gets in, and how certificates change under open connections.
import { connect as connectTls } from "node:tls";
import * as grpc from "@grpc/grpc-js";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { WAL } from "#cnpgi/gen/wal_pb.ts";
import { serveTls, type Certificates, type TlsRpcServer } from "#cnpgi/server.ts";
import { service } from "#cnpgi/service.ts";
import { makeAuthority, type Authority } from "./cnpgi-certificates.ts";
import { call, cleanUp, cleanups, connect, echo, logger } from "./cnpgi-client.ts";

afterEach(cleanUp);

describe("mutual TLS", () => {
  let trusted: Authority;
  let stranger: Authority;
  beforeAll(async () => {
    [trusted, stranger] = await Promise.all([makeAuthority("trusted"), makeAuthority("stranger")]);
  });

  async function startTls(certificates?: Certificates) {
    const leaf = await trusted.issue("server", "holdfast");
    const server = await serveTls(
      { host: "127.0.0.1", port: 0 },
      certificates ?? { ...leaf, clientCa: trusted.certificate },
      { services: [service(WAL, echo)], logger },
    );
    cleanups.push(() => server.close(0));
    return server;
  }

  async function connectAs(server: TlsRpcServer, issuer: Authority | undefined, roots = trusted, purpose = "client") {
    const leaf = await issuer?.issue(purpose as "client", "cnpg");
    const credentials = grpc.credentials.createSsl(
      Buffer.from(roots.certificate),
      leaf === undefined ? null : Buffer.from(leaf.key),
      leaf === undefined ? null : Buffer.from(leaf.certificate),
    );
    return connect(`127.0.0.1:${server.port}`, credentials, {
      "grpc.ssl_target_name_override": "holdfast",
      "grpc.use_local_subchannel_pool": 1,
    });
  }

  it("serves a client with a certificate of the trusted authority", async () => {
    const server = await startTls();
    expect(await call(await connectAs(server, trusted))).toMatchObject({ code: grpc.status.OK });
  });

  it("refuses a client without a certificate, of another authority, or with a server's certificate", async () => {
    const server = await startTls();
    const refused = [
      await connectAs(server, undefined),
      await connectAs(server, stranger),
      await connectAs(server, trusted, trusted, "server"),
    ];
    for (const client of refused) {
      expect(await call(client, { deadlineMs: 2_000 })).toMatchObject({ code: grpc.status.UNAVAILABLE });
    }
  });

  it("refuses TLS 1.2", async () => {
    const server = await startTls();
    const leaf = await trusted.issue("client", "cnpg");
    const socket = connectTls({
      port: server.port,
      host: "127.0.0.1",
      ca: trusted.certificate,
      cert: leaf.certificate,
      key: leaf.key,
      maxVersion: "TLSv1.2",
      ALPNProtocols: ["h2"],
      checkServerIdentity: () => undefined,
    });
    const error = await new Promise<NodeJS.ErrnoException>((resolve) => socket.once("error", resolve));
    expect(error.code).toBe("ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION");
  });

  it("changes certificate and authority live, keeping open connections", async () => {
    const server = await startTls();
    const before = await connectAs(server, trusted);
    expect(await call(before)).toMatchObject({ code: grpc.status.OK });
    server.updateCertificates({ ...(await stranger.issue("server", "holdfast")), clientCa: stranger.certificate });
    expect(await call(before)).toMatchObject({ code: grpc.status.OK });
    const renewed = await connectAs(server, stranger, stranger);
    expect(await call(renewed)).toMatchObject({ code: grpc.status.OK });
    const outdated = await connectAs(server, trusted, stranger);
    expect(await call(outdated, { deadlineMs: 2_000 })).toMatchObject({ code: grpc.status.UNAVAILABLE });
  });

  it("keeps the old certificate when the new one is no good", async () => {
    const server = await startTls();
    const broken = { certificate: "no certificate", key: "no key", clientCa: trusted.certificate };
    expect(() => server.updateCertificates(broken)).toThrow();
    expect(await call(await connectAs(server, trusted))).toMatchObject({ code: grpc.status.OK });
  });

  it("lets two authorities overlap", async () => {
    const leaf = await trusted.issue("server", "holdfast");
    const server = await startTls({ ...leaf, clientCa: `${trusted.certificate}\n${stranger.certificate}` });
    for (const issuer of [trusted, stranger]) {
      expect(await call(await connectAs(server, issuer))).toMatchObject({ code: grpc.status.OK });
    }
  });
});
