import {
  chmodSync,
  closeSync,
  fchmodSync,
  futimesSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  openSync,
  symlinkSync,
  utimesSync,
  writeSync,
} from 'node:fs';
import { type Entry, type LayerEntry, readContent } from '../../archive/index.ts';
import { type BytePath, bytesOfPath } from '../../core/index.ts';

/** A directory that was made; it stays writable for us until it is finished. */
export interface WrittenDirectory {
  /** Gives it its mode and time, at its final place below `root`. */
  finish(root: string): void;
}

/** Writes entries below a fresh directory, parents first, as the files of the calling user. */
export interface TreeWriter {
  /** False for a type that only root could make, which is passed over. */
  write(item: LayerEntry): boolean;
  readonly directories: readonly WrittenDirectory[];
}

/** Permission bits and sticky; setuid and setgid would speak for the caller, not for the owner in the image. */
const KEPT_BITS = 0o1777;

/**
 * Every parent is a directory made here and every name is made anew, so that nothing is ever written through a symbolic link.
 * Extended attributes are not written: Node.js cannot.
 */
export function createTreeWriter(root: string): TreeWriter {
  const directories: WrittenDirectory[] = [];
  const placeOf = (path: BytePath): Buffer => place(root, path);
  return {
    directories,
    write: ({ entry, content }) => {
      const path = placeOf(entry.path);
      switch (entry.type) {
        case 'directory':
          mkdirSync(path, 0o700);
          directories.push({ finish: (finalRoot) => finishDirectory(place(finalRoot, entry.path), entry) });
          return true;
        case 'file':
          writeFile(path, entry, content);
          return true;
        case 'symlink':
          symlinkSync(Buffer.from(entry.linkTarget ?? '', 'latin1'), path);
          lutimesSync(path, entry.mtime, entry.mtime);
          return true;
        case 'hardlink':
          linkSync(placeOf(entry.linkTarget ?? ''), path);
          return true;
        default:
          return false;
      }
    },
  };
}

function place(root: string, path: BytePath): Buffer {
  return Buffer.concat([Buffer.from(`${root}/`), bytesOfPath(path)]);
}

function writeFile(path: Buffer, entry: Entry, content: LayerEntry['content']): void {
  const fd = openSync(path, 'wx', 0o600);
  try {
    if (content !== undefined) {
      for (const chunk of readContent(content, entry.sizeBytes)) {
        for (let offset = 0; offset < chunk.length; ) offset += writeSync(fd, chunk, offset);
      }
    }
    fchmodSync(fd, entry.mode & KEPT_BITS);
    futimesSync(fd, entry.mtime, entry.mtime);
  } finally {
    closeSync(fd);
  }
}

function finishDirectory(path: Buffer, entry: Entry): void {
  chmodSync(path, entry.mode & KEPT_BITS);
  utimesSync(path, entry.mtime, entry.mtime);
}
