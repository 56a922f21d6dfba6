// Events for `kubectl describe`: said when something changed, not each time it is looked at. Never the only place where
// a fact stands, so an event that could not be written is dropped.
// Source: k8s.io/api events/v1 and its validation (note up to 1024 bytes; reportingInstance, action and reason up to 128).
import { randomBytes } from "node:crypto";
import { withDeadline } from "#std/abort.ts";
import { BoundedMap } from "#std/bounded-map.ts";
import type { Logger } from "#observe/logger.ts";
import type { KubeClient } from "./client.ts";
import { keyOf, type KubeObject, type Resource } from "./object.ts";

export const events: Resource = {
  group: "events.k8s.io",
  version: "v1",
  kind: "Event",
  plural: "events",
  namespaced: true,
};

export interface EventText {
  readonly type: "Normal" | "Warning";
  /** CamelCase; the reason of the condition that changed. */
  readonly reason: string;
  readonly message: string;
  /** What was being done, CamelCase; the reason if absent. */
  readonly action?: string;
}

export interface EventRecorder {
  /** Never throws. The same event about the same object is not written again within `repeatAfterMs`. */
  record(object: KubeObject, event: EventText, signal: AbortSignal): Promise<void>;
}

export interface EventRecorderOptions {
  readonly client: KubeClient;
  /** The pod's name. */
  readonly instance: string;
  readonly logger: Logger;
  readonly repeatAfterMs?: number;
  /** How many events are remembered. */
  readonly memoryCount?: number;
  /** Monotonic milliseconds. */
  readonly now?: () => number;
}

const noteBytesMax = 1024;

export function createEventRecorder(options: EventRecorderOptions): EventRecorder {
  const { client, logger, repeatAfterMs = 300_000, memoryCount = 2000, now = () => performance.now() } = options;
  /** Event → when it was written. */
  const written = new BoundedMap<string, number>(memoryCount);

  return {
    async record(object, event, signal) {
      const identity = object.metadata.uid ?? `${object.kind} ${keyOf(object.metadata)}`;
      const fingerprint = JSON.stringify([identity, event.type, event.reason, event.message]);
      const writtenAt = written.get(fingerprint);
      if (writtenAt !== undefined && now() - writtenAt < repeatAfterMs) return;
      written.set(fingerprint, now());
      try {
        const body = eventObject(object, event, options.instance);
        await client.create(events, body, { signal: withDeadline(signal, 5000) });
      } catch (error) {
        const { namespace, name } = object.metadata;
        logger.debug({ err: error, kind: object.kind, namespace, name, reason: event.reason }, "event was not written");
        written.delete(fingerprint);
      }
    },
  };
}

function eventObject(object: KubeObject, event: EventText, instance: string): KubeObject {
  const { name, namespace, uid, resourceVersion } = object.metadata;
  // Events about objects without a namespace live in "default".
  const metadata = {
    name: `${name.slice(0, 230)}.${randomBytes(8).toString("hex")}`,
    namespace: namespace ?? "default",
  };
  const body = {
    metadata,
    eventTime: new Date().toISOString().replace("Z", "000Z"),
    reportingController: "holdfast",
    reportingInstance: instance.slice(0, 128),
    action: (event.action ?? event.reason).slice(0, 128),
    reason: event.reason.slice(0, 128),
    type: event.type,
    note: shorten(event.message),
    regarding: { apiVersion: object.apiVersion, kind: object.kind, name, namespace, uid, resourceVersion },
  };
  return body;
}

/** At most 1024 bytes of UTF-8, cut between characters. */
export function shorten(message: string): string {
  const bytes = Buffer.from(message, "utf8");
  if (bytes.length <= noteBytesMax) return message;
  const ellipsis = "…";
  const whole = bytes.subarray(0, noteBytesMax - Buffer.byteLength(ellipsis)).toString("utf8");
  return `${whole.replace(/\uFFFD+$/, "")}${ellipsis}`;
}
