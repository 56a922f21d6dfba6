// What Kubernetes takes for the name of a Secret, and for a key in one. Pure.

export interface SelectorProblem {
  readonly field: string;
  readonly message: string;
  readonly hint: string;
}

/** Neither is repeated in a message: people paste the secret itself here. */
export function selectorProblems(
  field: string,
  { name, key }: { readonly name: string; readonly key: string },
): readonly SelectorProblem[] {
  const isName = name.length <= 253 && /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/.test(name);
  const isKey = key.length <= 253 && /^[-._a-zA-Z0-9]+$/.test(key);
  const problem = (part: string, message: string, hint: string): SelectorProblem => ({
    field: `${field}.${part}`,
    message,
    hint,
  });
  return [
    ...(isName ? [] : [problem("name", "cannot be the name of a Secret", "the Secret's name, not what is in it")]),
    ...(isKey ? [] : [problem("key", "cannot be a key of a Secret", "the key's name, not its value")]),
  ];
}
