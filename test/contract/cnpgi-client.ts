// Clients for the contract tests of the gRPC server: @grpc/grpc-js for what clients do, bare HTTP/2 for what they do not.
import { mkdtemp, rm } from "node:fs/promises";
import { connect as connectHttp2, type ClientHttp2Session, type IncomingHttpHeaders, type Settings } from "node:http2";
import { connect as connectNet } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, fromBinary, toBinary, type MessageInitShape } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { pino } from "pino";
import { type WAL, WALStatusRequestSchema, WALStatusResultSchema } from "#cnpgi/gen/wal_pb.ts";
import type { HandlersOf } from "#cnpgi/service.ts";

export const logger = pino({ level: "silent" });
export const statusPath = "/cnpgi.wal.v1.WAL/Status";
export const cleanups: (() => Promise<unknown> | void)[] = [];

/** Undoes what a test has opened, last first. */
export async function cleanUp(): Promise<void> {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
}

export type WalHandlers = HandlersOf<typeof WAL>;

/** Answers with what it was sent, so that both directions are seen. */
export const echo: WalHandlers = {
  status: (request) => ({ firstWal: String(request.clusterDefinition.length) }),
};

export interface Reply {
  readonly code: grpc.status;
  readonly details: string;
  readonly firstWal: string | undefined;
}

export interface CallOptions {
  readonly path?: string;
  readonly request?: MessageInitShape<typeof WALStatusRequestSchema>;
  readonly deadlineMs?: number;
  readonly started?: (call: grpc.ClientUnaryCall) => void;
}

export function call(client: grpc.Client, options: CallOptions = {}): Promise<Reply> {
  const deadline = options.deadlineMs === undefined ? {} : { deadline: Date.now() + options.deadlineMs };
  return new Promise((resolve) => {
    const started = client.makeUnaryRequest(
      options.path ?? statusPath,
      (bytes: Buffer) => bytes,
      (bytes) => fromBinary(WALStatusResultSchema, bytes),
      Buffer.from(toBinary(WALStatusRequestSchema, create(WALStatusRequestSchema, options.request))),
      new grpc.Metadata(),
      deadline,
      (error, value) =>
        resolve({ code: error?.code ?? grpc.status.OK, details: error?.details ?? "", firstWal: value?.firstWal }),
    );
    options.started?.(started);
  });
}

export async function temporarySocket(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "hf-rpc-"));
  cleanups.push(() => rm(directory, { recursive: true }));
  return join(directory, "holdfast.dev");
}

export function connect(target: string, credentials = grpc.credentials.createInsecure(), options = {}): grpc.Client {
  const client = new grpc.Client(target, credentials, { "grpc.enable_retries": 0, ...options });
  cleanups.push(() => client.close());
  return client;
}

export function rawSession(path: string, settings: Settings = {}): ClientHttp2Session {
  const session = connectHttp2("http://localhost", { createConnection: () => connectNet(path), settings });
  cleanups.push(() => session.destroy());
  return session;
}

export const grpcHeaders = (extra: Record<string, string> = {}) => ({
  ":method": "POST",
  ":path": statusPath,
  "content-type": "application/grpc",
  te: "trailers",
  ...extra,
});

export interface RawReply {
  readonly status: number;
  readonly grpcStatus: string | undefined;
  readonly grpcMessage: string | undefined;
}

export function rawCall(path: string, headers: Record<string, string>, body: Buffer): Promise<RawReply> {
  const stream = rawSession(path).request(headers);
  let seen: IncomingHttpHeaders = {};
  stream.on("response", (response) => (seen = { ...seen, ...response }));
  stream.on("trailers", (trailers) => (seen = { ...seen, ...trailers }));
  stream.resume();
  stream.end(body);
  return new Promise((resolve, reject) => {
    stream.on("error", reject);
    stream.on("close", () =>
      resolve({
        status: Number(seen[":status"]),
        grpcStatus: seen["grpc-status"]?.toString(),
        grpcMessage: seen["grpc-message"]?.toString(),
      }),
    );
  });
}
