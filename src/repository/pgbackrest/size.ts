// Sizes as a Stanza writes them. Pure.

const units: Readonly<Record<string, number>> = { B: 0, KiB: 1, MiB: 2, GiB: 3, TiB: 4, PiB: 5 };

/** "128MiB" in bytes; the schema has checked its form. */
export function parseSize(text: string): number {
  const [, digits = "0", unit = "B"] = /^(\d+) ?(\w+)$/.exec(text) ?? [];
  return Number(digits) * 1024 ** (units[unit] ?? 0);
}

/** pgBackRest takes no more for a queue. */
export const sizeMax = 4 * 1024 ** 5;
