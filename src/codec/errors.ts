// The one error class of codecs: what was asked for is not there yet, or the bytes are not what their name says.

export type CodecErrorKind =
  | "Unsupported" // a format that is known by name but can neither be written nor read yet
  | "Corrupt"; // the stream is damaged, cut short or of another format

export class CodecError extends Error {
  override readonly name = "CodecError";
  readonly kind: CodecErrorKind;
  readonly hint: string | undefined;

  constructor(kind: CodecErrorKind, message: string, options: { cause?: unknown; hint?: string } = {}) {
    super(message, { cause: options.cause });
    this.kind = kind;
    this.hint = options.hint;
  }
}

export const isCodecError = (error: unknown, kind?: CodecErrorKind): error is CodecError =>
  error instanceof CodecError && (kind === undefined || error.kind === kind);
