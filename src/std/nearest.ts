// Which of the known names somebody meant who wrote another one. Pure.

/** The known name that is closest, if it is close enough to be a slip; undefined when nothing resembles it. */
export function nearest(written: string, known: readonly string[]): string | undefined {
  if (written.length > longest) return undefined;
  const slipsMax = Math.max(1, Math.floor(written.length / 3));
  const ranked = known
    .map((name) => ({ name, slips: distance(written.toLowerCase(), name.toLowerCase()) }))
    .filter(({ slips }) => slips <= slipsMax)
    .toSorted((one, other) => one.slips - other.slips);
  return ranked[0]?.name;
}

/** Nobody slips in a name of this length, and comparing takes time by its square. */
const longest = 64;

/** How many letters must be put in, taken out, replaced or swapped with their neighbour to get from one to the other. */
function distance(from: string, to: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let row = 1; row <= from.length; row++) {
    const next = [row];
    for (let column = 1; column <= to.length; column++) {
      const replaced = (last[column - 1] ?? 0) + (from[row - 1] === to[column - 1] ? 0 : 1);
      const changed = Math.min(replaced, (last[column] ?? 0) + 1, (next[column - 1] ?? 0) + 1);
      const isSwap = row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      next.push(isSwap ? Math.min(changed, (beforeLast[column - 2] ?? 0) + 1) : changed);
    }
    beforeLast = last;
    last = next;
  }
  return last[to.length] ?? 0;
}
