// What a rule says of an object: what stands in its way, what its author should know all the same, and what is changed.

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

/** What is changed of an object before it is judged. */
export interface Mutation {
  /** JSON patch. */
  readonly patch: readonly { readonly op: "add"; readonly path: string; readonly value: unknown }[];
  readonly warnings: readonly string[];
}
