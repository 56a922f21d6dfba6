// The one error class for files that PostgreSQL wrote and this folder could not read. The kinds are closed: "Damaged"
// means that what was read is not what PostgreSQL wrote, "Unsupported" that it is of a version or machine unknown here.

export type PostgresFileErrorKind = "NotFound" | "Damaged" | "Unsupported";

export class PostgresFileError extends Error {
  override readonly name = "PostgresFileError";
  readonly kind: PostgresFileErrorKind;

  constructor(kind: PostgresFileErrorKind, message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.kind = kind;
  }
}
