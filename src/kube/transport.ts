// The port below the REST client: one HTTP request to the API server. A transport knows where the server is and who we
// are (endpoint, TLS, credentials) and nothing of Kubernetes resources.

export interface TransportRequest {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Path and query, from "/api" or "/apis" on. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Aborting ends the exchange at any point, also while the body is being read. */
  readonly signal: AbortSignal;
}

export interface TransportResponse {
  readonly status: number;
  /** Must be read to its end, or left (`break`, `return`), which closes the connection. */
  readonly body: AsyncIterable<Uint8Array>;
}

export interface Transport {
  /** Resolves when the response headers are there; rejects with whatever error the network gave. */
  send(request: TransportRequest): Promise<TransportResponse>;
  /** Closes idle and open connections. */
  close(): void;
}
