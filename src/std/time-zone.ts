// Names of time zones: whether there is one, and which one was probably meant. Pure.

/** Whether it is the name of a time zone: "Europe/Paris", "UTC". An offset such as "+02:00" knows no summer time and is none. */
export function isTimeZone(name: string): boolean {
  if (!/^[A-Za-z]/.test(name)) return false;
  try {
    return new Intl.DateTimeFormat("en", { timeZone: name }) instanceof Intl.DateTimeFormat;
  } catch {
    return false;
  }
}

/** The known name that is nearest to what was written: "europe/pariss" and "Paris" were meant to be "Europe/Paris". */
export function nearestTimeZone(written: string): string | undefined {
  const wanted = plain(written.slice(0, 64));
  let nearest: string | undefined;
  let nearestDistance = 3;
  for (const name of Intl.supportedValuesOf("timeZone")) {
    const city = plain(name.slice(name.lastIndexOf("/") + 1));
    if (city === wanted) return name;
    const distance = Math.min(editDistance(wanted, plain(name)), 1 + editDistance(wanted, city));
    if (distance < nearestDistance) [nearest, nearestDistance] = [name, distance];
  }
  return nearest;
}

const plain = (name: string): string =>
  name
    .trim()
    .toLowerCase()
    .replaceAll(/[ _-]+/g, "_");

/** How many letters have to be put in, left out or exchanged. */
function editDistance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 2) return 3;
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (const [i, letter] of a.split("").entries()) {
    const next = [i + 1];
    for (const [j, other] of b.split("").entries())
      next.push(Math.min((next[j] ?? 0) + 1, (row[j + 1] ?? 0) + 1, (row[j] ?? 0) + (letter === other ? 0 : 1)));
    row = next;
  }
  return row[b.length] ?? 3;
}
