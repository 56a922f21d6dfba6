// The one error class of repositories: something in the store is not what its place says. Failures of the store itself
// stay StoreErrors; a backup whose metadata cannot be read is no error but an entry of Catalog.unreadable.

export type RepositoryErrorKind =
  | "Damaged" // the content cannot be read as what it should be
  | "TooLarge" // more bytes than such an object ever has: it is not read at all
  | "InUse"; // others cannot do without it: it stays

export class RepositoryError extends Error {
  override readonly name = "RepositoryError";
  readonly kind: RepositoryErrorKind;
  readonly hint: string | undefined;

  constructor(kind: RepositoryErrorKind, message: string, options: { cause?: unknown; hint?: string } = {}) {
    super(message, { cause: options.cause });
    this.kind = kind;
    this.hint = options.hint;
  }
}
