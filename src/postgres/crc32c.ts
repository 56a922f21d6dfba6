// CRC-32C (Castagnoli), with which PostgreSQL protects pg_control and WAL records (src/include/port/pg_crc32c.h).
// node:zlib has only the other CRC-32. For a few hundred bytes at a time: one table, one byte a step.

const table = makeTable();

/** The checksum of the chunks one after another, as an unsigned 32-bit number. */
export function crc32c(...chunks: readonly Uint8Array[]): number {
  let crc = 0xffff_ffff;
  for (const chunk of chunks) {
    for (const byte of chunk) crc = (crc >>> 8) ^ (table[(crc ^ byte) & 0xff] ?? 0);
  }
  return (crc ^ 0xffff_ffff) >>> 0;
}

function makeTable(): Uint32Array {
  const reversedPolynomial = 0x82f6_3b78;
  return Uint32Array.from({ length: 256 }, (_, byte) => {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ reversedPolynomial : crc >>> 1;
    return crc >>> 0;
  });
}
