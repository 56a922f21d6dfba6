// The one error class of the Kubernetes API port, with a closed kind.

export type KubeErrorKind =
  | "NotFound"
  | "AlreadyExists"
  | "Conflict"
  | "Forbidden"
  | "Unauthorized"
  | "Invalid"
  | "Expired" // 410: the resourceVersion of a watch or list page is gone
  | "Throttled"
  | "Unavailable"; // no answer, or a server error

export class KubeError extends Error {
  override readonly name = "KubeError";
  readonly kind: KubeErrorKind;

  constructor(kind: KubeErrorKind, message: string, options: { cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.kind = kind;
  }

  get transient(): boolean {
    return this.kind === "Unavailable" || this.kind === "Throttled" || this.kind === "Conflict";
  }
}

export const isKubeError = (error: unknown, kind?: KubeErrorKind): error is KubeError =>
  error instanceof KubeError && (kind === undefined || error.kind === kind);

/** Nothing can be made in a namespace that is being deleted; only the words tell that from a missing permission. */
export const isNamespaceTerminating = (error: unknown): boolean =>
  isKubeError(error, "Forbidden") && error.message.includes("being terminated");
