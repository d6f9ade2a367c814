import { BLOCK, damaged, parseNumber } from './tar-header.ts';

/** A stretch of a sparse file whose bytes are stored; the rest are holes. */
export interface SparseRegion {
  readonly offset: number;
  readonly sizeBytes: number;
}

/** What a PAX header says about a sparse member (GNU tar manual, "Storing Sparse Files"). */
export type PaxSparse =
  /** Formats 0.0 and 0.1: the map stands in the header. */
  | { readonly kind: 'mapped'; readonly regions: readonly SparseRegion[]; readonly realSize: number }
  /** Format 1.0: the map stands in front of the content. */
  | { readonly kind: 'leading-map'; readonly realSize: number };

/** A map of a million stretches is beyond anything real; without a bound an archive could take any amount of memory. */
const MAX_REGIONS = 1 << 20;

/** Reads the sparse keywords; undefined for an ordinary member. */
export function parsePaxSparse(
  pax: ReadonlyMap<string, string>,
  pairs: ReadonlyArray<readonly [string, string]>,
  offset: number,
): PaxSparse | undefined {
  const size = pax.get('GNU.sparse.realsize') ?? pax.get('GNU.sparse.size');
  if (size === undefined) return undefined;
  const realSize = decimal(size, offset);
  if (pax.get('GNU.sparse.major') === '1') return { kind: 'leading-map', realSize };
  const map = pax.get('GNU.sparse.map');
  const numbers = map === undefined ? pairs.map(([, value]) => value) : map === '' ? [] : map.split(',');
  return {
    kind: 'mapped',
    realSize,
    regions: toRegions(
      numbers.map((text) => decimal(text, offset)),
      offset,
    ),
  };
}

/** Turns alternating offsets and lengths into regions. */
export function toRegions(numbers: readonly number[], offset: number): readonly SparseRegion[] {
  if (numbers.length % 2 !== 0) throw damaged(offset, 'the map of a sparse file is incomplete');
  if (numbers.length > 2 * MAX_REGIONS) throw damaged(offset, 'the map of a sparse file is too large');
  return Array.from({ length: numbers.length / 2 }, (_, i) => ({
    offset: numbers[2 * i]!,
    sizeBytes: numbers[2 * i + 1]!,
  }));
}

/** The stretches in a block of an old GNU sparse member: 4 in the header (at 386), 21 in each further block (at 0). */
export function parseGnuSparseBlock(
  block: Buffer,
  place: { readonly at: number; readonly count: number; readonly offset: number },
): readonly SparseRegion[] {
  const regions: SparseRegion[] = [];
  for (let i = 0; i < place.count; i++) {
    const at = place.at + i * 24;
    if (block[at] === 0) break;
    const offset = parseNumber(block, at, 12);
    const sizeBytes = parseNumber(block, at + 12, 12);
    if (offset === undefined || sizeBytes === undefined)
      throw damaged(place.offset, 'the map of a sparse file is no number');
    regions.push({ offset, sizeBytes });
  }
  return regions;
}

/** Reads the map of format 1.0, block by block: lines with a count, then offsets and lengths. */
export function createLeadingMapReader(offset: number): {
  /** Takes a block; true when the map is complete. */
  accept(block: Buffer): boolean;
  regions(): readonly SparseRegion[];
} {
  const numbers: number[] = [];
  let text = '';
  let blocks = 0;
  const isComplete = (): boolean => numbers.length > 0 && numbers.length >= 1 + 2 * numbers[0]!;
  return {
    accept(block) {
      if (++blocks * BLOCK > MAX_REGIONS * 48) throw damaged(offset, 'the map of a sparse file is too large');
      text += block.toString('latin1');
      for (let end = text.indexOf('\n'); end >= 0 && !isComplete(); end = text.indexOf('\n')) {
        numbers.push(decimal(text.slice(0, end), offset));
        text = text.slice(end + 1);
      }
      if (text.length > BLOCK) throw damaged(offset, 'the map of a sparse file is malformed');
      if (numbers.length > 0 && numbers[0]! > MAX_REGIONS)
        throw damaged(offset, 'the map of a sparse file is too large');
      return isComplete();
    },
    regions: () => toRegions(numbers.slice(1, 1 + 2 * numbers[0]!), offset),
  };
}

/** Checks that stretches are in order, inside the file, and as long together as what is stored. */
export function checkRegions(
  regions: readonly SparseRegion[],
  sizes: { readonly realSize: number; readonly storedBytes: number },
  offset: number,
): void {
  let end = 0;
  let stored = 0;
  for (const region of regions) {
    if (region.offset < end || region.sizeBytes < 0) throw damaged(offset, 'the map of a sparse file is out of order');
    end = region.offset + region.sizeBytes;
    stored += region.sizeBytes;
  }
  if (end > sizes.realSize || stored !== sizes.storedBytes) {
    throw damaged(offset, 'the map of a sparse file does not fit its content');
  }
}

function decimal(text: string, offset: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value))
    throw damaged(offset, 'the map of a sparse file is no number');
  return value;
}
