import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  futimesSync,
  lchownSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  openSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeSync,
} from 'node:fs';
import { BuildError, type BytePath, bytesOfPath, parentOf, textOfPath } from '../core/index.ts';
import type { Entry, EntryType } from './entry.ts';

export interface ExtractOptions {
  /** Give files their owners (needs root). Without it files belong to the caller, and lose setuid and setgid bits. */
  readonly preserveOwner?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** What an extraction made. */
export interface ExtractResult {
  readonly entryCount: number;
  /** Bytes of files' content. */
  readonly sizeBytes: number;
  /** Devices and FIFOs, which are not made: Node.js cannot, and an ordinary user may not. */
  readonly skipped: readonly BytePath[];
}

/** Makes entries in a directory. Content of a file comes through `append` between its `begin` and the next `begin`. */
export interface DirectoryWriter {
  begin(entry: Entry): void;
  append(bytes: Uint8Array): void;
  /** Sets what has to be last: modes and times of directories. */
  finish(): ExtractResult;
  /** Closes an open file; also after an error. */
  close(): void;
}

const NON_ASCII = /[^\u0000-\u007f]/;
const NEW_FILE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/**
 * Writes into an empty directory that nobody else changes meanwhile. Every parent of an entry must be a directory made by
 * this writer (missing ones are made), a hard link must name a file made by it: so no archive reaches outside, whatever
 * symlinks it has. A later entry replaces an earlier one of the same name.
 *
 * @throws BuildError `ARCHIVE_UNSAFE` for an entry below something else than such a directory; `OUTPUT_FAILED` when the
 *   file system refuses.
 */
export function createDirectoryWriter(root: string, options: ExtractOptions = {}): DirectoryWriter {
  const made = new Map<BytePath, EntryType>([['', 'directory']]);
  const directories = new Map<BytePath, Entry>();
  const skipped: BytePath[] = [];
  let open: { readonly fd: number; readonly entry: Entry } | undefined;
  let sizeBytes = 0;
  let entryCount = 0;
  const preserveOwner = options.preserveOwner ?? false;
  const modeOf = (entry: Entry): number => (preserveOwner ? entry.mode : entry.mode & 0o1777);

  const endFile = (): void => {
    if (open === undefined) return;
    const { fd, entry } = open;
    open = undefined;
    if (preserveOwner) fchownSync(fd, entry.uid, entry.gid);
    fchmodSync(fd, modeOf(entry));
    futimesSync(fd, timeOf(entry), timeOf(entry));
    closeSync(fd);
  };
  const needParents = (path: BytePath): void => {
    const parent = parentOf(path);
    const type = made.get(parent);
    if (type === 'directory') return;
    if (type !== undefined) throw unsafe(path, `"${textOfPath(parent)}" is a ${type}, not a directory`);
    needParents(parent);
    mkdirSync(hostPath(root, parent), 0o755);
    made.set(parent, 'directory');
  };
  const removeOld = (entry: Entry): void => {
    const old = made.get(entry.path);
    if (old === undefined || (old === 'directory' && entry.type === 'directory')) return;
    if (old !== 'directory') {
      unlinkSync(hostPath(root, entry.path));
    } else {
      if (entry.path === '') throw unsafe('', 'the root is not a directory');
      rmSync(hostPath(root, entry.path), { recursive: true });
      const below = `${entry.path}/`;
      for (const path of made.keys()) if (path.startsWith(below)) made.delete(path);
      for (const path of directories.keys())
        if (path === entry.path || path.startsWith(below)) directories.delete(path);
    }
    made.delete(entry.path);
  };
  const create = (entry: Entry): void => {
    const path = hostPath(root, entry.path);
    switch (entry.type) {
      case 'directory':
        if (!made.has(entry.path)) mkdirSync(path, 0o700);
        directories.set(entry.path, entry);
        break;
      case 'file':
        open = { fd: openSync(path, NEW_FILE, 0o600), entry };
        break;
      case 'symlink':
        symlinkSync(latin1Path(entry.linkTarget ?? ''), path);
        if (preserveOwner) lchownSync(path, entry.uid, entry.gid);
        lutimesSync(path, timeOf(entry), timeOf(entry));
        break;
      case 'hardlink': {
        const target = made.get(entry.linkTarget ?? '');
        if (target === undefined || target === 'directory') {
          throw unsafe(entry.path, `its file "${textOfPath(entry.linkTarget ?? '')}" is not in the archive before it`);
        }
        linkSync(hostPath(root, entry.linkTarget ?? ''), path);
        break;
      }
      default:
        skipped.push(entry.path);
        return;
    }
    made.set(entry.path, entry.type);
  };

  return {
    begin(entry) {
      withSystemErrors(entry.path, () => {
        endFile();
        needParents(entry.path);
        if (entry.type !== 'hardlink' || entry.linkTarget !== entry.path) removeOld(entry);
        else return;
        create(entry);
        entryCount++;
      });
    },
    append(bytes) {
      if (open === undefined) return;
      const { fd, entry } = open;
      withSystemErrors(entry.path, () => {
        for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
      });
      sizeBytes += bytes.length;
    },
    finish() {
      withSystemErrors('', () => {
        endFile();
        for (const entry of [...directories.values()].reverse()) {
          const path = hostPath(root, entry.path);
          if (preserveOwner) lchownSync(path, entry.uid, entry.gid);
          chmodSync(path, modeOf(entry));
          utimesSync(path, timeOf(entry), timeOf(entry));
        }
      });
      return { entryCount, sizeBytes, skipped };
    },
    close() {
      if (open !== undefined) closeSync(open.fd);
      open = undefined;
    },
  };
}

/** Node takes a negative number for the present time, but not a negative `Date`. */
function timeOf({ mtime }: Entry): number | Date {
  return mtime < 0 ? new Date(mtime * 1000) : mtime;
}

/** A name for Node's functions: text where it is ASCII, which is faster, else the exact bytes. */
function hostPath(root: string, path: BytePath): string | Buffer {
  if (path === '') return root;
  return NON_ASCII.test(path) ? Buffer.concat([Buffer.from(`${root}/`), bytesOfPath(path)]) : `${root}/${path}`;
}

function latin1Path(path: BytePath): string | Buffer {
  return NON_ASCII.test(path) ? bytesOfPath(path) : path;
}

function unsafe(path: BytePath, why: string): BuildError {
  return new BuildError('ARCHIVE_UNSAFE', `"${textOfPath(path)}" of the archive cannot be unpacked: ${why}.`, {
    hint: 'The archive would write through a link. Make it again without such entries.',
  });
}

function withSystemErrors(path: BytePath, work: () => void): void {
  try {
    work();
  } catch (error) {
    if (error instanceof BuildError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOSPC' || code === 'EDQUOT') throw error;
    throw new BuildError('OUTPUT_FAILED', `"${textOfPath(path)}" cannot be written: ${message}`, { cause: error });
  }
}
