// PostgreSQL log sequence numbers: a byte position in the WAL, an unsigned 64-bit number kept as bigint. The text form
// is two hexadecimal halves, "0/3000028" (PostgreSQL: src/backend/utils/adt/pg_lsn.c).

const lsnMax = 2n ** 64n - 1n;

/** Reads "16/B374D848" (either case, at most 8 digits a half); undefined when the text is no LSN. */
export function parseLsn(text: string): bigint | undefined {
  const match = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/.exec(text);
  if (match === null) return undefined;
  return (BigInt(`0x${match[1]}`) << 32n) | BigInt(`0x${match[2]}`);
}

/** Writes an LSN as PostgreSQL does ("%X/%X"); throws RangeError outside 64 bits. */
export function formatLsn(lsn: bigint): string {
  if (lsn < 0n || lsn > lsnMax) throw new RangeError(`lsn out of range: ${lsn}`);
  const high = lsn >> 32n;
  const low = lsn & 0xffff_ffffn;
  return `${high.toString(16)}/${low.toString(16)}`.toUpperCase();
}
