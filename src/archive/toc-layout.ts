import type { EntryType } from './entry.ts';

/**
 * The binary form of a table of contents, all numbers little-endian:
 *
 * - a header of `HEADER_BYTES`: magic, version, then counts and offsets (see `HEADER`);
 * - `count` records of `RECORD_BYTES`, node 0 being the root, in breadth-first order: the children of a directory follow
 *   one another, sorted by the bytes of their names, so that a name is found by binary search;
 * - two lists of node numbers (u32): detached nodes, then unresolved hard links;
 * - a heap with names and the rarer fields of nodes.
 */
export const MAGIC = 0x434f545a;
export const VERSION = 2;
export const HEADER_BYTES = 64;
export const RECORD_BYTES = 64;

/** Byte positions in the header, each a u32. */
export const HEADER = {
  magic: 0,
  version: 4,
  count: 8,
  detachedCount: 12,
  unresolvedCount: 16,
  heapBytes: 20,
} as const;

/** Byte positions in a record: `name`, `extra` are heap offsets; `size`, `mtime`, `offset` are doubles. */
export const RECORD = {
  name: 0,
  nameLength: 4,
  type: 6,
  flags: 7,
  parent: 8,
  firstChild: 12,
  childCount: 16,
  mode: 20,
  uid: 24,
  gid: 28,
  /** Number of the group of names that are hard links of one file; 0 for a single name. */
  linkGroup: 32,
  /** Heap offset plus one of link target, device, xattrs and sparse map; 0 when there is nothing of these. */
  extra: 36,
  size: 40,
  mtime: 48,
  offset: 56,
} as const;

/** Type codes; 0 is a name that the layer does not define: a missing parent, or a mere whiteout. */
export const TYPE_CODES: Readonly<Record<EntryType, number>> = {
  file: 1,
  directory: 2,
  symlink: 3,
  hardlink: 4,
  char: 5,
  block: 6,
  fifo: 7,
};

export const TYPES: ReadonlyArray<EntryType | undefined> = [
  undefined,
  'file',
  'directory',
  'symlink',
  'hardlink',
  'char',
  'block',
  'fifo',
];

export const FLAG_WHITEOUT = 1;
export const FLAG_OPAQUE = 2;
export const FLAG_SPARSE = 4;
/** The layer defines something at or below this name. */
export const FLAG_HOLDS = 8;
