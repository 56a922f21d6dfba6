// KubeClient over a transport: paths, patch types, paging, watch streams, deadlines and errors. Plain JSON both ways.
// Never retries: the queue, the informer and std/backoff.ts do.
import { within } from "#std/abort.ts";
import type {
  ApplyOptions,
  CallOptions,
  DeleteOptions,
  KubeClient,
  ListOptions,
  ObjectList,
  PatchOptions,
  WatchEvent,
  WatchOptions,
} from "./client.ts";
import { KubeError } from "./errors.ts";
import { apiVersionOf, keyOf, keyOfObject, type KubeObject, type ObjectKey, type Resource } from "./object.ts";
import { collectionPath, describeResource, objectPath, withQuery } from "./resource-path.ts";
import { errorOfStatus, errorOfWatchEvent, saysObjectIsMissing } from "./status-error.ts";
import type { Transport, TransportRequest, TransportResponse } from "./transport.ts";
import { readLines } from "./watch-lines.ts";

export interface RestClientOptions {
  /** The name before "/" also becomes the field manager of creates and replaces. */
  readonly userAgent?: string;
  /** Of each call, a page of a list being one call; a watch must begin to answer within it. */
  readonly deadlineMs?: number;
  /** Of one answer, and of one event of a watch. */
  readonly responseBytesMax?: number;
}

interface Answer {
  readonly status: number;
  /** Parsed JSON, or the text where it is none. */
  readonly body: unknown;
}

type Call = Omit<TransportRequest, "headers" | "signal"> & { readonly contentType?: string };

const pageSize = 500;
/** The API server ends a watch after this time; the spread keeps restarts apart. */
const watchSeconds = (): number => 300 + Math.floor(Math.random() * 60);

export function createRestClient(transport: Transport, options: RestClientOptions = {}): KubeClient {
  const { userAgent = "holdfast", deadlineMs = 10_000, responseBytesMax = 64 * 1024 * 1024 } = options;

  function send(call: Call, signal: AbortSignal): Promise<TransportResponse> {
    const headers: Record<string, string> = { accept: "application/json", "user-agent": userAgent };
    if (call.body !== undefined) headers["content-type"] = call.contentType ?? "application/json";
    const { contentType: _, ...request } = call;
    return transport.send({ ...request, headers, signal });
  }

  /** What `attempt` gives within the deadline; the reason of an abort, not what the network makes of it, is thrown. */
  const begin = <T>(signal: AbortSignal, attempt: (limited: AbortSignal) => Promise<T>): Promise<T> =>
    within(deadlineMs, signal, async (limited) => {
      try {
        return await attempt(limited);
      } catch (error) {
        limited.throwIfAborted();
        throw error;
      }
    });

  /** One call and its whole answer, whatever its status; throws KubeError "Unavailable" when there is none. */
  async function ask(doing: string, call: Call, signal: AbortSignal): Promise<Answer> {
    signal.throwIfAborted();
    try {
      return await begin(signal, async (limited) => {
        const response = await send(call, limited);
        return { status: response.status, body: await readBody(response, responseBytesMax) };
      });
    } catch (error) {
      signal.throwIfAborted();
      throw unanswered(doing, messageOf(error), error);
    }
  }

  async function askFor<T>(doing: string, call: Call, signal: AbortSignal): Promise<T> {
    const answer = await ask(doing, call, signal);
    if (answer.status >= 300) throw errorOfStatus(doing, answer.status, answer.body);
    if (typeof answer.body !== "object" || answer.body === null)
      throw unanswered(doing, "the answer is not a JSON object");
    return answer.body as T;
  }

  async function listPages<T extends KubeObject>(
    resource: Resource,
    list: ListOptions,
    limit: number | undefined,
  ): Promise<ObjectList<T>> {
    const doing = `list ${describeResource(resource)}`;
    const { namespace, labelSelector, fieldSelector } = list;
    const items: T[] = [];
    for (let next: string | undefined; ;) {
      const query = { labelSelector, fieldSelector, limit, continue: next };
      const path = withQuery(collectionPath(resource, namespace), query);
      const page = await askFor<ListPage<T>>(doing, { method: "GET", path }, list.signal);
      for (const item of page.items ?? []) items.push(completed(resource, item));
      next = page.metadata?.continue;
      if (next === undefined || next === "") {
        const { resourceVersion } = page.metadata ?? {};
        if (resourceVersion === undefined) throw unanswered(doing, "the list has no resourceVersion");
        return { items, resourceVersion };
      }
    }
  }

  return {
    async get<T extends KubeObject>(resource: Resource, key: ObjectKey, { signal }: CallOptions) {
      const doing = `get ${describeResource(resource)} ${keyOf(key)}`;
      const answer = await ask(doing, { method: "GET", path: objectPath(resource, key) }, signal);
      if (saysObjectIsMissing(answer.status, answer.body, key.name)) return undefined;
      if (answer.status >= 300) throw errorOfStatus(doing, answer.status, answer.body);
      return answer.body as T;
    },

    async list<T extends KubeObject>(resource: Resource, list: ListOptions) {
      try {
        return await listPages<T>(resource, list, pageSize);
      } catch (error) {
        // The snapshot behind the next page was compacted away meanwhile: one page of everything needs none.
        if (!(error instanceof KubeError) || error.kind !== "Expired") throw error;
        return listPages<T>(resource, list, undefined);
      }
    },

    async *watch<T extends KubeObject>(resource: Resource, watch: WatchOptions): AsyncGenerator<WatchEvent<T>> {
      const doing = `watch ${describeResource(resource)}`;
      const { namespace, labelSelector, fieldSelector, resourceVersion, signal } = watch;
      const query = { labelSelector, fieldSelector, resourceVersion, watch: true, allowWatchBookmarks: true };
      const path = withQuery(collectionPath(resource, namespace), { ...query, timeoutSeconds: watchSeconds() });
      try {
        const response = await begin(signal, (limited) => send({ method: "GET", path }, limited));
        if (response.status >= 300)
          throw errorOfStatus(doing, response.status, await readBody(response, responseBytesMax));
        for await (const line of readLines(response.body, responseBytesMax)) {
          const event = decodeEvent<T>(doing, line);
          if (event !== undefined) yield event;
        }
      } catch (error) {
        signal.throwIfAborted();
        throw error instanceof KubeError ? error : unanswered(doing, messageOf(error), error);
      }
    },

    create<T extends KubeObject>(resource: Resource, object: T, { signal }: CallOptions) {
      const path = collectionPath(resource, object.metadata.namespace);
      return askFor<T>(
        doingTo("create", resource, object),
        { method: "POST", path, body: bodyOf(resource, object) },
        signal,
      );
    },

    apply<T extends KubeObject>(resource: Resource, object: T, apply: ApplyOptions) {
      const path = objectPath(resource, keyOfObject(object), apply.subresource);
      const call: Call = {
        method: "PATCH",
        path: withQuery(path, { fieldManager: apply.fieldManager, force: true }),
        contentType: "application/apply-patch+yaml",
        body: bodyOf(resource, object), // JSON is YAML
      };
      return askFor<T>(
        doingTo(apply.subresource === undefined ? "apply" : "apply status of", resource, object),
        call,
        apply.signal,
      );
    },

    patch<T extends KubeObject>(resource: Resource, key: ObjectKey, patch: unknown, how: PatchOptions) {
      const call: Call = {
        method: "PATCH",
        path: withQuery(objectPath(resource, key, how.subresource), { fieldManager: how.fieldManager }),
        contentType: `application/${how.type === "json" ? "json" : "merge"}-patch+json`,
        body: JSON.stringify(patch),
      };
      return askFor<T>(`patch ${describeResource(resource)} ${keyOf(key)}`, call, how.signal);
    },

    replace<T extends KubeObject>(resource: Resource, object: T, { signal }: CallOptions) {
      const path = objectPath(resource, keyOfObject(object));
      return askFor<T>(
        doingTo("replace", resource, object),
        { method: "PUT", path, body: bodyOf(resource, object) },
        signal,
      );
    },

    async delete(resource: Resource, key: ObjectKey, { uid, resourceVersion, propagation, signal }: DeleteOptions) {
      const doing = `delete ${describeResource(resource)} ${keyOf(key)}`;
      const body = JSON.stringify({
        apiVersion: "v1",
        kind: "DeleteOptions",
        propagationPolicy: propagation,
        preconditions: uid === undefined && resourceVersion === undefined ? undefined : { uid, resourceVersion },
      });
      const answer = await ask(doing, { method: "DELETE", path: objectPath(resource, key), body }, signal);
      if (saysObjectIsMissing(answer.status, answer.body, key.name)) return false;
      if (answer.status >= 300) throw errorOfStatus(doing, answer.status, answer.body);
      return true;
    },
  };
}

interface ListPage<T> {
  readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string };
  readonly items?: readonly T[] | null;
}

const doingTo = (verb: string, resource: Resource, object: KubeObject): string =>
  `${verb} ${describeResource(resource)} ${keyOf(object.metadata)}`;

const unanswered = (doing: string, why: string, cause?: unknown): KubeError =>
  new KubeError("Unavailable", `${doing}: ${why}`, { cause });

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Items of a list come without apiVersion and kind for built-in types. */
const completed = <T extends KubeObject>(resource: Resource, object: T): T => ({
  ...object,
  apiVersion: apiVersionOf(resource),
  kind: resource.kind,
});

const bodyOf = (resource: Resource, object: KubeObject): string => JSON.stringify(completed(resource, object));

async function readBody(response: TransportResponse, bytesMax: number): Promise<unknown> {
  const parts: Uint8Array[] = [];
  let held = 0;
  for await (const part of response.body) {
    held += part.length;
    if (held > bytesMax) throw new RangeError(`the answer is longer than ${bytesMax} bytes`);
    parts.push(part);
  }
  const text = Buffer.concat(parts).toString("utf8");
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

function decodeEvent<T extends KubeObject>(doing: string, line: string): WatchEvent<T> | undefined {
  const event = JSON.parse(line) as { readonly type: string; readonly object: T };
  switch (event.type) {
    case "ADDED":
    case "MODIFIED":
    case "DELETED":
      return { type: event.type, object: event.object };
    case "BOOKMARK":
      return { type: "BOOKMARK", resourceVersion: event.object.metadata.resourceVersion ?? "" };
    case "ERROR":
      throw errorOfWatchEvent(doing, event.object);
    default:
      return undefined; // a later API may add types; an unknown one changes nothing that we keep
  }
}
