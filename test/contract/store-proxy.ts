// An HTTP proxy in front of an object store that answers some requests itself, as a provider with other rules would, and
// may change the headers of answers. The Host header passes as the client signed it, so signed requests hold.
import { createServer, request as ask, type IncomingHttpHeaders, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { pipeline } from "node:stream";

export interface Refusal {
  readonly status: number;
  /** S3's error code. */
  readonly code: string;
}

export interface ProxyRules {
  /** What the proxy answers instead of the store; undefined lets the request pass. */
  refuse?: (request: { readonly method: string; readonly url: string }) => Refusal | undefined;
  headers?: (headers: IncomingHttpHeaders) => IncomingHttpHeaders;
}

export interface StoreProxy {
  readonly endpoint: string;
  /** May be changed at any time. */
  readonly rules: ProxyRules;
  close(): Promise<void>;
}

export async function openStoreProxy(targetPort: number): Promise<StoreProxy> {
  const rules: ProxyRules = {};
  const server = createServer((request, response) => {
    const { method = "", url = "", headers } = request;
    const refusal = rules.refuse?.({ method, url });
    if (refusal !== undefined) {
      request.resume();
      response.writeHead(refusal.status, { "content-type": "application/xml" });
      response.end(`<?xml version="1.0"?><Error><Code>${refusal.code}</Code><Message>by the proxy</Message></Error>`);
      return;
    }
    const pass = (answer: IncomingMessage): void => {
      response.writeHead(answer.statusCode ?? 502, rules.headers?.(answer.headers) ?? answer.headers);
      pipeline(answer, response, () => undefined);
    };
    const options = { host: "127.0.0.1", port: targetPort, method, path: url, headers };
    pipeline(request, ask(options, pass), () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    rules,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
