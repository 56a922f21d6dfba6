// One HTTP/2 stream as one unary gRPC call: reads the request, runs the method, answers once. Whatever the handler or
// the client does, the answer is a status and never an uncaught error. gRPC: doc/PROTOCOL-HTTP2.md.
import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import type { Logger } from "#observe/logger.ts";
import { encodeFrame, encodeMessageText, MessageReader, parseTimeout } from "./frame.ts";
import type { Method } from "./service.ts";
import { RpcError, rpcCodes, statusOf, type RpcCode } from "./status-code.ts";

export interface CallEnvironment {
  readonly methods: ReadonlyMap<string, Method>;
  readonly maxMessageBytes: number;
  readonly logger: Logger;
  /** Aborts the calls that a drain could not wait for. */
  readonly shutdown: AbortSignal;
  /** Says whether one more call may start. */
  readonly admit: () => boolean;
}

/** setTimeout takes no longer waits; a call with a deadline of more than 24 days has none. */
const maxTimerMs = 2 ** 31 - 1;

const resetDelayMs = 100;

const contentType = "application/grpc";

/** Resolves when the handler has returned, which may be after the client got its answer. Never rejects. */
export async function handleCall(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  environment: CallEnvironment,
): Promise<void> {
  // A stream that breaks also closes; there is nothing to do for the error itself.
  stream.on("error", () => undefined);
  const refusal = httpRefusal(headers);
  if (refusal !== undefined) {
    stream.respond({ ":status": refusal }, { endStream: true });
    discardRest(stream);
    return;
  }
  const controller = new AbortController();
  const finish = answerOnce(stream, headers, environment.logger);
  controller.signal.addEventListener("abort", () => finish(statusOf(controller.signal.reason)), { once: true });
  const leave = (): void => controller.abort(new RpcError("CANCELLED", "the client went away"));
  stream.once("close", leave);
  const forward = (): void => controller.abort(environment.shutdown.reason);
  environment.shutdown.addEventListener("abort", forward, { once: true });
  let timer: NodeJS.Timeout | undefined;
  try {
    timer = startDeadline(headers, controller);
    const method = environment.methods.get(headers[":path"] ?? "");
    if (method === undefined) throw new RpcError("UNIMPLEMENTED", `unknown method ${headers[":path"]}`);
    if (!environment.admit()) throw new RpcError("RESOURCE_EXHAUSTED", "too many calls at once");
    const request = await readRequest(stream, environment.maxMessageBytes, controller.signal);
    finish(await method(request, { signal: controller.signal }));
  } catch (error) {
    finish(statusOf(error));
  } finally {
    clearTimeout(timer);
    stream.off("close", leave);
    environment.shutdown.removeEventListener("abort", forward);
  }
}

/** HTTP status for what is not a gRPC request at all. */
function httpRefusal(headers: IncomingHttpHeaders): number | undefined {
  if (headers[":method"] !== "POST") return constants.HTTP_STATUS_METHOD_NOT_ALLOWED;
  if (headers["content-type"]?.startsWith(contentType) !== true) return constants.HTTP_STATUS_UNSUPPORTED_MEDIA_TYPE;
  return undefined;
}

function startDeadline(headers: IncomingHttpHeaders, controller: AbortController): NodeJS.Timeout | undefined {
  const header = headers["grpc-timeout"];
  const timeoutMs = parseTimeout(typeof header === "string" ? header : undefined);
  if (timeoutMs === undefined || timeoutMs > maxTimerMs) return undefined;
  const expire = (): void => controller.abort(new RpcError("DEADLINE_EXCEEDED", "the call's deadline has passed"));
  return setTimeout(expire, timeoutMs).unref();
}

/** The encoded request message. Rejects with an RpcError when it is no good or the signal aborts first. */
function readRequest(stream: ServerHttp2Stream, maxBytes: number, signal: AbortSignal): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const reader = new MessageReader(maxBytes);
  const attempt = (step: () => void): void => {
    try {
      step();
    } catch (error) {
      stream.removeAllListeners("data");
      reject(statusOf(error));
    }
  };
  signal.addEventListener("abort", () => reject(statusOf(signal.reason)), { once: true });
  stream.on("data", (chunk: Buffer) => attempt(() => reader.push(chunk)));
  stream.once("end", () => attempt(() => resolve(reader.end())));
  return promise;
}

/** A function that sends the first outcome it is given, a response or a status, and logs it. Later ones are dropped. */
function answerOnce(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  logger: Logger,
): (outcome: Uint8Array | RpcError) => void {
  const started = performance.now();
  let answered = false;
  return (outcome) => {
    if (answered) return;
    answered = true;
    logOutcome(logger, { method: headers[":path"], durationMs: Math.round(performance.now() - started) }, outcome);
    // A client that went away has closed or destroyed the stream: no one is left to answer.
    if (stream.closed || stream.destroyed) return;
    if (outcome instanceof RpcError) sendStatus(stream, outcome);
    else sendResponse(stream, outcome);
  };
}

function sendResponse(stream: ServerHttp2Stream, message: Uint8Array): void {
  stream.respond({ ":status": 200, "content-type": contentType }, { waitForTrailers: true });
  stream.once("wantTrailers", () => stream.sendTrailers({ "grpc-status": String(rpcCodes.OK) }));
  stream.end(encodeFrame(message));
}

/** "Trailers-only": one header block is the whole answer. */
function sendStatus(stream: ServerHttp2Stream, error: RpcError): void {
  stream.respond(
    {
      ":status": 200,
      "content-type": contentType,
      "grpc-accept-encoding": "identity",
      "grpc-status": String(rpcCodes[error.code]),
      "grpc-message": encodeMessageText(error.message),
    },
    { endStream: true },
  );
  discardRest(stream);
}

/**
 * Drops what the client still sends after it got its answer, and soon tells it to stop. Not at once: a reset overtakes
 * the answer when that is still waiting to be written (seen on Node 26).
 */
function discardRest(stream: ServerHttp2Stream): void {
  if (stream.readableEnded) return;
  stream.resume();
  const timer = setTimeout(() => stream.close(constants.NGHTTP2_NO_ERROR), resetDelayMs);
  stream.once("close", () => clearTimeout(timer));
}

const levels: Readonly<Partial<Record<RpcCode, "error" | "warn" | "info">>> = {
  UNKNOWN: "error",
  INTERNAL: "error",
  DATA_LOSS: "error",
  UNAVAILABLE: "warn",
  FAILED_PRECONDITION: "warn",
  RESOURCE_EXHAUSTED: "warn",
  ALREADY_EXISTS: "warn",
  DEADLINE_EXCEEDED: "info",
  CANCELLED: "info",
};

function logOutcome(logger: Logger, fields: Record<string, unknown>, outcome: Uint8Array | RpcError): void {
  if (!(outcome instanceof RpcError)) return logger.trace(fields, "call served");
  const level = levels[outcome.code] ?? "debug";
  const detail = level === "error" ? { err: outcome.cause ?? outcome } : { message: outcome.message };
  logger[level]({ ...fields, code: outcome.code, ...detail }, "call failed");
}
