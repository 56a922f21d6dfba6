// What every call to a store takes.

export interface CallOptions {
  readonly signal: AbortSignal;
}
