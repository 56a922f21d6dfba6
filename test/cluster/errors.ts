// The one error of the embedded cluster.

export type ClusterErrorKind =
  | "Machine" // this machine cannot run the cluster
  | "Command" // a program that was run to its end failed
  | "Component" // a process of the cluster died or never became healthy
  | "Timeout" // a condition did not come true in time
  | "Api"; // the API server refused a request

export class ClusterError extends Error {
  override readonly name = "ClusterError";
  readonly kind: ClusterErrorKind;
  readonly hint: string | undefined;

  constructor(kind: ClusterErrorKind, message: string, options: { cause?: unknown; hint?: string } = {}) {
    super(message, { cause: options.cause });
    this.kind = kind;
    this.hint = options.hint;
  }
}

/** One line a cause, the outermost first. */
export const describeError = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  const hint = error instanceof ClusterError && error.hint !== undefined ? `\nhint: ${error.hint}` : "";
  const cause = error.cause === undefined ? "" : `\ncaused by: ${describeError(error.cause)}`;
  return `${error.message}${hint}${cause}`;
};
