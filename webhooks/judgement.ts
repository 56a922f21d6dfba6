// What a rule says of an object: what stands in its way, and what its author should know all the same.

export interface Finding {
  /** Path from the object: "spec.configuration.destinationPath", "spec.schedules[0].cron". */
  readonly field: string;
  readonly message: string;
  /** What to write instead. */
  readonly hint?: string;
}

export interface Judgement {
  /** The object is refused when there is any. */
  readonly problems: readonly Finding[];
  /** Shown by kubectl when the object is accepted; one sentence each, at most 256 bytes. */
  readonly warnings: readonly string[];
}
