// Turns the API server's failures (an HTTP status and usually a metav1.Status) into KubeError. Pure.
// Source: k8s.io/apimachinery, pkg/apis/meta/v1/types.go (StatusReason).
import { KubeError, type KubeErrorKind } from "./errors.ts";

interface StatusObject {
  readonly kind?: unknown;
  readonly code?: unknown;
  readonly reason?: unknown;
  readonly message?: unknown;
  readonly details?: { readonly name?: unknown };
}

const asStatus = (body: unknown): StatusObject | undefined =>
  typeof body === "object" && body !== null && (body as StatusObject).kind === "Status" ? body : undefined;

function kindOf(code: number, reason: unknown): KubeErrorKind {
  if (reason === "AlreadyExists") return "AlreadyExists";
  if (reason === "Expired" || code === 410) return "Expired";
  if (code === 404) return "NotFound";
  if (code === 409) return "Conflict";
  if (code === 401) return "Unauthorized";
  if (code === 403) return "Forbidden";
  if (code === 429) return "Throttled";
  return code >= 400 && code < 500 ? "Invalid" : "Unavailable";
}

/** `doing` says what was attempted on what; the API server's own message follows it. */
export function errorOfStatus(doing: string, code: number, body: unknown): KubeError {
  const status = asStatus(body);
  const said = typeof status?.message === "string" && status.message !== "" ? status.message : `http status ${code}`;
  return new KubeError(kindOf(code, status?.reason), `${doing}: ${said}`);
}

/** The ERROR event of a watch carries its code inside the Status. */
export function errorOfWatchEvent(doing: string, object: unknown): KubeError {
  const code = asStatus(object)?.code;
  return errorOfStatus(doing, typeof code === "number" ? code : 500, object);
}

/**
 * True when exactly this object is not there. A missing resource type (no such CRD) answers 404 too, as plain text or
 * without the object's name: that is not an absence of the object, and must not be read as one.
 */
export function saysObjectIsMissing(code: number, body: unknown, name: string): boolean {
  const status = asStatus(body);
  return code === 404 && status?.reason === "NotFound" && status.details?.name === name;
}
