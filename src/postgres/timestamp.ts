// Moments in microseconds since 1970, the resolution of PostgreSQL's timestamptz: a Date would lose the last three
// digits, and a recovery target is compared with commit times to the microsecond. Pure.

/** PostgreSQL counts from 2000-01-01 (src/include/datatype/timestamp.h). */
const postgresEpochMicros = 946_684_800_000_000n;

/** A TimestampTz as stored by PostgreSQL, as microseconds since 1970. */
export const fromPostgresTimestamp = (timestampTz: bigint): bigint => timestampTz + postgresEpochMicros;

/** The whole millisecond at or before the moment. */
export function microsToDate(micros: bigint): Date {
  const remainder = ((micros % 1000n) + 1000n) % 1000n;
  return new Date(Number((micros - remainder) / 1000n));
}

export const dateToMicros = (date: Date): bigint => BigInt(date.getTime()) * 1000n;

/** "2026-11-21T09:15:00.000001Z" */
export function formatMicros(micros: bigint): string {
  const fraction = ((micros % 1_000_000n) + 1_000_000n) % 1_000_000n;
  const seconds = new Date(Number((micros - fraction) / 1000n)).toISOString().slice(0, -5);
  return `${seconds}.${fraction.toString().padStart(6, "0")}Z`;
}

/**
 * A moment in the forms that CNPG accepts as targetTime: RFC 3339, PostgreSQL's "2026-11-21 09:15:00.123456+01" (zone
 * as +HH, +HH:MM, +HH:MM:SS or Z), either without a zone (then UTC), or a bare date. Digits after the microseconds are
 * dropped, as CNPG does. Undefined for anything else, and for a moment that no calendar has ("February 30").
 */
export function parseMoment(text: string): bigint | undefined {
  const match = momentPattern.exec(text);
  const groups = match?.groups;
  if (groups === undefined) return undefined;
  const { date, time = "00:00:00", fraction = "", zone = "Z" } = groups;
  // Date rolls February 30 over into March; the round trip finds that out.
  const milliseconds = Date.parse(`${date}T${time}Z`);
  if (Number.isNaN(milliseconds)) return undefined;
  if (new Date(milliseconds).toISOString() !== `${date}T${time}.000Z`) return undefined;
  const offset = zoneSeconds(zone);
  if (offset === undefined) return undefined;
  const micros = BigInt(fraction.slice(0, 6).padEnd(6, "0"));
  return BigInt(milliseconds) * 1000n + micros - BigInt(offset) * 1_000_000n;
}

const momentPattern =
  /^(?<date>\d{4}-\d{2}-\d{2})(?:[T ](?<time>\d{2}:\d{2}:\d{2})(?:\.(?<fraction>\d{1,9}))?(?<zone>Z|[+-]\d{2}(?::\d{2}){0,2})?)?$/;

/** Seconds east of UTC; PostgreSQL knows no offset of 16 hours or more. */
function zoneSeconds(zone: string): number | undefined {
  if (zone === "Z") return 0;
  const [hours = 0, minutes = 0, seconds = 0] = zone.slice(1).split(":").map(Number);
  if (hours > 15 || minutes > 59 || seconds > 59) return undefined;
  const total = hours * 3600 + minutes * 60 + seconds;
  return zone.startsWith("-") ? -total : total;
}
