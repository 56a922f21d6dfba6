// Durations as people write them in a spec: "1h30m", "90s". Pure.

const unitMs = { h: 3_600_000, m: 60_000, s: 1_000 } as const;

/** Milliseconds; undefined for text that is no duration of hours, minutes and seconds in this order. */
export function parseDuration(text: string): number | undefined {
  const [whole, hours, minutes, seconds] = /^(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,8})s)?$/.exec(text) ?? [];
  if (whole === undefined || whole === "") return undefined;
  return Number(hours ?? 0) * unitMs.h + Number(minutes ?? 0) * unitMs.m + Number(seconds ?? 0) * unitMs.s;
}
