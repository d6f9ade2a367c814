import type { Stats } from 'node:fs';

/**
 * Stat data of many files as rows of numbers: device, inode, size, mtime, ctime, mode. They tell whether a file is still the
 * one that was read. Times are milliseconds with fractions: moments 250 ns apart differ, and a kernel's clock tick is longer.
 */
export interface StampTable {
  add(stats: Stats): StampRow;
  /** Copies a row of another table. */
  addFrom(other: StampTable, row: StampRow): StampRow;
  equals(row: StampRow, other: StampTable, otherRow: StampRow): boolean;
  /** The later one of the times of change of content and of metadata. */
  changedMs(row: StampRow): number;
  sizeBytes(row: StampRow): number;
  /** `device:inode`, which all names of a file share. */
  fileId(row: StampRow): string;
  readonly rows: number;
  /** All rows, one after the other; there may be room behind them. */
  numbers(): Float64Array;
}

/** Number of a row. */
export type StampRow = number;

/** Numbers in a row. */
export const STAMP_FIELDS = 6;
const DEVICE = 0;
const INODE = 1;
const SIZE = 2;
const MTIME = 3;
const CTIME = 4;
const MODE = 5;
const FIRST_ROWS = 256;

export function createStampTable(initial: Float64Array = new Float64Array()): StampTable {
  let data = initial;
  let used = initial.length;

  const reserve = (): number => {
    if (used + STAMP_FIELDS > data.length) {
      const larger = new Float64Array(Math.max(FIRST_ROWS * STAMP_FIELDS, data.length * 2));
      larger.set(data.subarray(0, used));
      data = larger;
    }
    used += STAMP_FIELDS;
    return used - STAMP_FIELDS;
  };
  return {
    add(stats) {
      const at = reserve();
      data[at + DEVICE] = stats.dev;
      data[at + INODE] = stats.ino;
      data[at + SIZE] = stats.size;
      data[at + MTIME] = stats.mtimeMs;
      data[at + CTIME] = stats.ctimeMs;
      data[at + MODE] = stats.mode;
      return at / STAMP_FIELDS;
    },
    addFrom(other, row) {
      const at = reserve();
      const from = other.numbers();
      for (let i = 0; i < STAMP_FIELDS; i++) data[at + i] = from[row * STAMP_FIELDS + i] as number;
      return at / STAMP_FIELDS;
    },
    equals(row, other, otherRow) {
      const from = other.numbers();
      for (let i = 0; i < STAMP_FIELDS; i++) {
        if (data[row * STAMP_FIELDS + i] !== from[otherRow * STAMP_FIELDS + i]) return false;
      }
      return true;
    },
    changedMs: (row) =>
      Math.max(data[row * STAMP_FIELDS + MTIME] as number, data[row * STAMP_FIELDS + CTIME] as number),
    sizeBytes: (row) => data[row * STAMP_FIELDS + SIZE] as number,
    fileId: (row) => `${data[row * STAMP_FIELDS + DEVICE]}:${data[row * STAMP_FIELDS + INODE]}`,
    get rows() {
      return used / STAMP_FIELDS;
    },
    numbers: () => data,
  };
}
