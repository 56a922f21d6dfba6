// The one error class of reading CloudNativePG's objects.

export type CnpgErrorKind = "Malformed";

export class CnpgError extends Error {
  override readonly name = "CnpgError";
  readonly kind: CnpgErrorKind;

  constructor(kind: CnpgErrorKind, message: string, options: { cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.kind = kind;
  }
}
