import { closeSync, openSync, readSync } from 'node:fs';
import { systemCode } from './system-code.ts';
import { parseEntry, type TreeEntry } from './tree-entry.ts';

const READ_BYTES = 1 << 18;
const LINE_END = 10;

/** The entries of a tree's list, which holds a line of `formatEntry` for each. @throws BuildError `STORE_CORRUPT` */
export function* readTreeList(path: string): Generator<TreeEntry, void, undefined> {
  const fd = openSync(path, 'r');
  try {
    let rest: Buffer = Buffer.alloc(0);
    for (;;) {
      const chunk = Buffer.allocUnsafe(READ_BYTES);
      const length = readSync(fd, chunk);
      if (length === 0) return;
      const bytes = rest.length === 0 ? chunk.subarray(0, length) : Buffer.concat([rest, chunk.subarray(0, length)]);
      let at = 0;
      for (let end = bytes.indexOf(LINE_END); end >= 0; end = bytes.indexOf(LINE_END, at)) {
        yield parseEntry(bytes.toString('utf8', at, end));
        at = end + 1;
      }
      rest = bytes.subarray(at);
    }
  } finally {
    closeSync(fd);
  }
}

/** The digests of all files of a list; none when the list is not there. */
export function digestsIn(path: string): ReadonlySet<string> {
  const digests = new Set<string>();
  try {
    for (const { type, digest } of readTreeList(path)) if (type === 'file') digests.add(digest);
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error;
  }
  return digests;
}
