// What is wrong with a field of a Stanza.

export interface SpecProblem {
  /** Path from the object: "spec.stanzaConfiguration.s3Repositories[0].bucket". */
  readonly field: string;
  readonly message: string;
  /** What to write instead. */
  readonly hint: string;
}
