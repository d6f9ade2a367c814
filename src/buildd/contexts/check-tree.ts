import { BuildError, type BytePath, parentOf } from '../../core/index.ts';
import { invalidTree, type TreeEntry } from './tree-entry.ts';

/** What a client may offer at most. */
export interface TreeLimits {
  readonly maxEntries: number;
  /** Sum of all files. */
  readonly maxBytes: number;
  /** Sum of all paths and targets of links. */
  readonly maxTextBytes: number;
}

/** Bounds the memory that one offer takes: about 200 bytes an entry, besides its texts. */
export const DEFAULT_TREE_LIMITS: TreeLimits = {
  maxEntries: 500_000,
  maxBytes: 64 * 2 ** 30,
  maxTextBytes: 64 * 2 ** 20,
};

const MAX_PATH_BYTES = 4096;
const MAX_NAME_BYTES = 255;
const DIGEST = /^[0-9a-f]{64}$/;

/** Looks at the entries of one tree in their order. */
export interface TreeChecker {
  /** @throws BuildError `CONTEXT_INVALID` */
  check(entry: TreeEntry): void;
  readonly entries: number;
  readonly sizeBytes: number;
}

/**
 * Checks that a tree can be laid out as a directory without anything of it leading elsewhere: every entry lies directly
 * below a directory of the same tree, so none lies below a link; none comes twice.
 */
export function createTreeChecker(limits: TreeLimits = DEFAULT_TREE_LIMITS): TreeChecker {
  const directories = new Set<BytePath>(['']);
  const files = new Set<BytePath>();
  let last: BytePath | undefined;
  let entries = 0;
  let sizeBytes = 0;
  let textBytes = 0;
  return {
    check(entry) {
      checkPath(entry.path);
      if (last !== undefined && entry.path <= last) throw invalidTree(entry.path, 'is not in the order of the paths');
      if (!directories.has(parentOf(entry.path)))
        throw invalidTree(entry.path, 'does not lie below a directory of the context');
      checkFields(entry);
      if (entry.type === 'hard-link' && !files.has(entry.target)) {
        throw invalidTree(entry.path, 'is a hard link to something that is no earlier file');
      }
      last = entry.path;
      entries += 1;
      sizeBytes += entry.sizeBytes;
      textBytes += entry.path.length + entry.target.length;
      if (textBytes > limits.maxTextBytes) throw tooLarge(`paths of more than ${limits.maxTextBytes} bytes`);
      if (entries > limits.maxEntries) throw tooLarge(`more than ${limits.maxEntries} entries`);
      if (sizeBytes > limits.maxBytes) throw tooLarge(`more than ${limits.maxBytes} bytes`);
      if (entry.type === 'directory') directories.add(entry.path);
      if (entry.type === 'file') files.add(entry.path);
    },
    get entries() {
      return entries;
    },
    get sizeBytes() {
      return sizeBytes;
    },
  };
}

function checkPath(path: BytePath): void {
  if (path.length > MAX_PATH_BYTES) throw invalidTree(path.slice(0, 80), 'has a path of more than 4096 bytes');
  for (const name of path.split('/')) {
    if (name === '' || name === '.' || name === '..') throw invalidTree(path, 'is not a clean relative path');
    if (name.includes('\0')) throw invalidTree(path, 'has a name with a NUL byte');
    if (name.length > MAX_NAME_BYTES) throw invalidTree(path, 'has a name of more than 255 bytes');
  }
}

function checkFields({ type, path, mode, sizeBytes, digest, target }: TreeEntry): void {
  if (mode < 0 || mode > 0o7777) throw invalidTree(path, `has the mode ${mode.toString(8)}`);
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0) throw invalidTree(path, 'has an impossible size');
  if (type === 'file' && !DIGEST.test(digest)) throw invalidTree(path, 'has no sha256 digest');
  if (type !== 'file' && sizeBytes !== 0) throw invalidTree(path, 'has a size, but is no file');
  if (type === 'symlink' && (target === '' || target.length > MAX_PATH_BYTES || target.includes('\0'))) {
    throw invalidTree(path, 'is a symbolic link to an impossible target');
  }
}

function tooLarge(what: string): BuildError {
  return new BuildError('CONTEXT_INVALID', `The offered build context is too large for this daemon: it has ${what}.`, {
    hint: 'Exclude with .dockerignore what no step uses.',
  });
}
