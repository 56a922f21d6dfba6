// The values that pgBackRest takes for an option, in the forms of its parser: another value would end every command, and
// archiving with it. Pure. Values are never repeated in a message.

export type ValueForm =
  | { readonly kind: "flag" | "pairs" | "text" }
  /** From and to, as pgBackRest writes them: "1" and "32", "64KiB" and "1TiB", "100ms" and "1h". */
  | { readonly kind: "number" | "size" | "time"; readonly range: readonly [string, string] }
  /** The sizes that are taken. */
  | { readonly kind: "choice"; readonly values: readonly string[] };

const patterns: Readonly<Record<ValueForm["kind"], readonly [RegExp, string]>> = {
  flag: [/^[yn]$/, "y or n"],
  number: [/^-?[0-9]{1,9}$/, "a whole number"],
  size: [/^[0-9]{1,15}([kmgtp](i?b)?|b)?$/i, "a number and KiB, MiB or GiB, such as 64MiB"],
  choice: [/^[0-9]{1,15}([kmgtp](i?b)?|b)?$/i, "a number and KiB or MiB, such as 1MiB"],
  time: [/^[0-9]{1,9}(ms|s|m|h|d|w)?$/i, "a whole number of seconds, or with s, m or h, such as 2m"],
  pairs: [/^[^=:\p{C}]+=[^:\p{C}]*(:[^=:\p{C}]+=[^:\p{C}]*)*$/u, "name=value, several with a colon between"],
  text: [/^[^\p{C}]{1,4096}$/u, "one line of text"],
};

/** What is wrong with a value, and what to write; undefined when pgBackRest takes it. */
export function valueProblem(
  form: ValueForm,
  value: string,
): { readonly message: string; readonly hint: string } | undefined {
  const [pattern, hint] = patterns[form.kind];
  if (value === "") return { message: "has no value", hint: `${hint}, or leave it out` };
  if (!pattern.test(value)) return { message: "its value cannot be read", hint };
  const message = "pgBackRest does not take this value";
  if (form.kind === "choice")
    return form.values.some((one) => sizeOf(one) === sizeOf(value))
      ? undefined
      : { message, hint: `one of ${form.values.join(", ")}` };
  if (!("range" in form)) return undefined;
  const amountOf = { number: Number, size: sizeOf, time: timeOf }[form.kind];
  const [least, most] = form.range;
  return amountOf(value) < amountOf(least) || amountOf(value) > amountOf(most)
    ? { message, hint: `${least} to ${most}` }
    : undefined;
}

const millisecondsOf: Readonly<Record<string, number>> = { ms: 1, s: 1e3, m: 6e4, h: 36e5, d: 864e5, w: 6048e5 };

/** "2m" in milliseconds; seconds without a unit. */
export function timeOf(text: string): number {
  const [, digits = "", unit = "s"] = /^(\d+)([a-z]+)?$/.exec(text.toLowerCase()) ?? [];
  return Number(digits) * (millisecondsOf[unit] ?? Number.NaN);
}

/** "64MiB", "64MB" or "64m" in bytes. */
function sizeOf(text: string): number {
  const [, digits = "", unit = "b"] = /^(\d+)([a-z])?/.exec(text.toLowerCase()) ?? [];
  return Number(digits) * 1024 ** "bkmgtp".indexOf(unit);
}
