// A few raw requests to the cluster's API server as its administrator. Tests of the product use src/kube; the harness does
// not, so that a fault there cannot hide behind a harness that shares it.
import { readFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { Agent, request, type RequestOptions } from "node:https";
import { createInterface } from "node:readline";
import { ClusterError } from "./errors.ts";
import { certificatePath, keyPath } from "./paths.ts";
import { apiServerUrl } from "./settings.ts";

export interface KubeObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly uid?: string;
    readonly generation?: number;
    readonly annotations?: Readonly<Record<string, string>>;
  };
}

export interface KubeRequest {
  readonly method?: "GET" | "POST" | "PATCH" | "DELETE";
  readonly body?: unknown;
  readonly contentType?: string;
  readonly signal: AbortSignal;
  readonly timeoutMs?: number;
}

export class KubeStatusError extends Error {
  override readonly name = "KubeStatusError";
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

const bodyLimit = 64 << 20;

export interface KubeApi {
  /** Text of the answer; a status of 400 or more is thrown as KubeStatusError. */
  send(path: string, options: KubeRequest): Promise<string>;
  get<T>(path: string, options: KubeRequest): Promise<T>;
  /** The object, or undefined when there is none. */
  find<T>(path: string, options: KubeRequest): Promise<T | undefined>;
  /** Server-side apply as field manager holdfast-cluster. */
  apply(path: string, object: object, options: KubeRequest): Promise<void>;
  /** Calls back for each watch event until the server ends the stream (it does, after some minutes) or the signal fires. */
  watch(path: string, onEvent: () => void, signal: AbortSignal): Promise<void>;
  close(): void;
}

const readAll = async (response: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > bodyLimit) throw new ClusterError("Api", "answer of the API server too large");
  }
  return Buffer.concat(chunks).toString();
};

/** Reads the administrator's certificate from the state folder, so it must have been made. */
export const openKubeApi = (): KubeApi => {
  const agent = new Agent({
    keepAlive: true,
    ca: readFileSync(certificatePath("ca")),
    cert: readFileSync(certificatePath("admin")),
    key: readFileSync(keyPath("admin")),
  });

  const open = async (path: string, options: KubeRequest): Promise<IncomingMessage> => {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const body = options.body === undefined ? undefined : JSON.stringify(options.body);
    const headers = { accept: "application/json", "content-type": options.contentType ?? "application/json" };
    const settings: RequestOptions = { agent, method: options.method ?? "GET", headers, signal: options.signal };
    const sent = request(`${apiServerUrl}${path}`, settings, resolve);
    if (options.timeoutMs !== undefined)
      sent.setTimeout(options.timeoutMs, () => sent.destroy(new Error("no answer in time")));
    sent.on("error", reject);
    sent.end(body);
    const response = await promise;
    const status = response.statusCode ?? 0;
    if (status < 400) return response;
    throw new KubeStatusError(
      status,
      `${options.method ?? "GET"} ${path}: ${status} ${(await readAll(response)).slice(0, 500)}`,
    );
  };

  const send = async (path: string, options: KubeRequest): Promise<string> =>
    readAll(await open(path, { timeoutMs: 10_000, ...options }));
  const get = async <T>(path: string, options: KubeRequest): Promise<T> => JSON.parse(await send(path, options)) as T;

  return {
    send,
    get,
    find: async <T>(path: string, options: KubeRequest): Promise<T | undefined> => {
      try {
        return await get<T>(path, options);
      } catch (error) {
        if (error instanceof KubeStatusError && error.status === 404) return undefined;
        throw error;
      }
    },
    apply: async (path, object, options) => {
      const query = "fieldManager=holdfast-cluster&force=true";
      const contentType = "application/apply-patch+yaml";
      await send(`${path}?${query}`, { ...options, method: "PATCH", body: object, contentType });
    },
    watch: async (path, onEvent, signal) => {
      const response = await open(`${path}?watch=true`, { signal });
      const lines = createInterface({ input: response });
      for await (const line of lines) if (line !== "") onEvent();
    },
    close: () => agent.destroy(),
  };
};
