import zlib from 'node:zlib';

/** Continues the CRC-32 of gzip (RFC 1952) over some bytes, from `value` (default: a new one). */
export const crc32: (bytes: Uint8Array, value?: number) => number =
  // Node.js before 20.15 does not have it.
  typeof zlib.crc32 === 'function' ? (bytes, value) => zlib.crc32(bytes, value) : crc32BySlices;

/** Slicing-by-8 (Intel, 2006): eight bytes a step from eight tables, about a tenth of the speed of the built-in one. */
export function crc32BySlices(bytes: Uint8Array, value = 0): number {
  const [t0, t1, t2, t3, t4, t5, t6, t7] = (tables ??= makeTables()) as Uint32Array[] & { length: 8 };
  let crc = ~value;
  let i = 0;
  for (const end = bytes.length - 7; i < end; i += 8) {
    crc ^= bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24);
    crc =
      t7![crc & 0xff]! ^
      t6![(crc >>> 8) & 0xff]! ^
      t5![(crc >>> 16) & 0xff]! ^
      t4![crc >>> 24]! ^
      t3![bytes[i + 4]!]! ^
      t2![bytes[i + 5]!]! ^
      t1![bytes[i + 6]!]! ^
      t0![bytes[i + 7]!]!;
  }
  for (; i < bytes.length; i++) crc = t0![(crc ^ bytes[i]!) & 0xff]! ^ (crc >>> 8);
  return ~crc >>> 0;
}

let tables: readonly Uint32Array[] | undefined;

function makeTables(): readonly Uint32Array[] {
  const first = Uint32Array.from({ length: 256 }, (_, n) => {
    let crc = n;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) !== 0 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
    return crc;
  });
  const all = [first];
  for (let k = 1; k < 8; k++) {
    const previous = all[k - 1]!;
    all.push(previous.map((crc) => first[crc & 0xff]! ^ (crc >>> 8)));
  }
  return all;
}
