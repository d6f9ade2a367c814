import { execFile } from 'node:child_process';
import { chmodSync, constants, copyFileSync, linkSync, lutimesSync, mkdirSync, symlinkSync, utimesSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { promisify } from 'node:util';
import { BuildError, type BytePath, bytesOfPath, textOfPath } from '../../core/index.ts';
import type { ContentFolder } from './content-folder.ts';
import { systemCode } from './system-code.ts';
import type { TreeEntry } from './tree-entry.ts';
import { readTreeList } from './tree-list.ts';

/** Other calls get their turn after this many entries. */
const ENTRIES_A_TURN = 256;

export interface LayOutDeps {
  readonly folder: ContentFolder;
  /** Called before a content is copied. @throws BuildError `STORE_FULL` when there is no room for it. */
  readonly reserve: (bytes: number) => void;
}

export interface LayOutInput {
  /** File of lines of `formatEntry`, checked. */
  readonly listFile: string;
  /** Where the tree goes; does not exist yet. */
  readonly directory: string;
}

/**
 * Lays a tree out as a directory. A file is a hard link to its content where the content has the right mode and time, and
 * no other file of the same tree is linked to it (two names of one file would be a hard link in an image); else a copy,
 * which shares its blocks where the file system can.
 *
 * @returns bytes that had to be copied.
 * @throws BuildError `CONTEXT_INVALID` when a content has not been uploaded, `STORE_FULL`.
 */
export async function layOutTree(deps: LayOutDeps, input: LayOutInput, signal: AbortSignal): Promise<number> {
  const { listFile, directory } = input;
  const root = Buffer.from(`${directory}/`);
  const pathOf = (path: BytePath): Buffer => Buffer.concat([root, bytesOfPath(path)]);
  const linked = new Set<string>();
  const directories: TreeEntry[] = [];
  let copiedBytes = 0;
  let count = 0;
  mkdirSync(directory, { mode: 0o755 });
  for (const entry of readTreeList(listFile)) {
    if (++count % ENTRIES_A_TURN === 0) await nextTurn(undefined, { signal });
    const path = pathOf(entry.path);
    if (entry.type === 'directory') {
      mkdirSync(path, { mode: 0o700 });
      directories.push(entry);
    } else if (entry.type === 'file') {
      copiedBytes += (await placeFile({ ...deps, linked }, { entry, path })) ? entry.sizeBytes : 0;
    } else if (entry.type === 'hard-link') {
      linkSync(pathOf(entry.target), path);
    } else if (entry.type === 'symlink') {
      symlinkSync(bytesOfPath(entry.target), path);
      lutimesSync(path, secondsOf(entry), secondsOf(entry));
    } else {
      await makeFifo(entry, path);
    }
  }
  // Last, and from the leaves up: what is made in a directory changes its time, and needs the right to write.
  for (const entry of directories.reverse()) setAttributes(pathOf(entry.path), entry);
  return copiedBytes;
}

/** True when it was copied. */
async function placeFile(
  { folder, reserve, linked }: LayOutDeps & { readonly linked: Set<string> },
  { entry, path }: { readonly entry: TreeEntry; readonly path: Buffer },
): Promise<boolean> {
  await folder.find(entry.digest);
  // Looked at again: another tree may have been given the content meanwhile.
  const stats = folder.stat(entry.digest);
  if (stats === undefined || stats.size !== entry.sizeBytes) {
    throw new BuildError(
      'CONTEXT_INVALID',
      `The file "${textOfPath(entry.path)}" of the build context was not uploaded.`,
      {
        hint: 'Offer the tree again: the answer names what is missing.',
      },
    );
  }
  const content = folder.path(entry.digest);
  if (!linked.has(entry.digest)) {
    const isFree = stats.nlink === 1;
    const fits = (stats.mode & 0o7777) === entry.mode && Math.abs(stats.mtimeMs / 1000 - secondsOf(entry)) < 1e-5;
    if (isFree && !fits) setAttributes(content, entry);
    if ((isFree || fits) && tryLink(content, path)) {
      linked.add(entry.digest);
      return false;
    }
  }
  reserve(stats.size);
  copyFileSync(content, path, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
  setAttributes(path, entry);
  return true;
}

/** False when the file has as many names as the file system allows. */
function tryLink(from: string, to: Buffer): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (systemCode(error) === 'EMLINK') return false;
    throw error;
  }
}

function setAttributes(path: string | Buffer, entry: TreeEntry): void {
  utimesSync(path, secondsOf(entry), secondsOf(entry));
  chmodSync(path, entry.mode);
}

function secondsOf({ mtimeNs }: TreeEntry): number {
  return Number(mtimeNs) / 1e9;
}

async function makeFifo(entry: TreeEntry, path: Buffer): Promise<void> {
  const text = path.toString();
  if (!Buffer.from(text).equals(path)) {
    throw new BuildError('CONTEXT_INVALID', `The name of the named pipe "${textOfPath(entry.path)}" is no UTF-8.`);
  }
  await promisify(execFile)('mkfifo', [text]);
  setAttributes(path, entry);
}
