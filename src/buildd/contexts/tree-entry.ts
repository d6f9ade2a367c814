import { BuildError, type BytePath, textOfPath } from '../../core/index.ts';

/** One file, directory or link of an offered tree. */
export interface TreeEntry {
  readonly type: 'file' | 'directory' | 'symlink' | 'hard-link' | 'fifo';
  readonly path: BytePath;
  /** Permission bits with setuid, setgid and sticky. */
  readonly mode: number;
  readonly mtimeNs: bigint;
  /** Of a file's content. */
  readonly sizeBytes: number;
  /** sha256 of a file's content, in hex; empty for other types. */
  readonly digest: string;
  /** Of a link; empty for other types. */
  readonly target: BytePath;
}

const LETTERS = { file: 'f', directory: 'd', symlink: 'l', 'hard-link': 'h', fifo: 'p' } as const;
const TYPES: Readonly<Record<string, TreeEntry['type']>> = {
  f: 'file',
  d: 'directory',
  l: 'symlink',
  h: 'hard-link',
  p: 'fifo',
};

/** An entry as a line of a tree's list. The digest over all lines names the tree. */
export function formatEntry(entry: TreeEntry): string {
  const { type, path, mode, mtimeNs, sizeBytes, digest, target } = entry;
  return `${JSON.stringify([LETTERS[type], path, mode, `${mtimeNs}`, sizeBytes, digest || target])}\n`;
}

/** Reads what `formatEntry` wrote. @throws BuildError `STORE_CORRUPT` */
export function parseEntry(line: string): TreeEntry {
  const [letter, path, mode, mtime, sizeBytes, last] = JSON.parse(line) as [
    string,
    string,
    number,
    string,
    number,
    string,
  ];
  const type = TYPES[letter];
  if (type === undefined)
    throw new BuildError('STORE_CORRUPT', `The list of a build context has a line of the type "${letter}".`);
  const isFile = type === 'file';
  return {
    type,
    path,
    mode,
    mtimeNs: BigInt(mtime),
    sizeBytes,
    digest: isFile ? last : '',
    target: isFile ? '' : last,
  };
}

/** The error for an offered tree that cannot be taken. */
export function invalidTree(path: BytePath, why: string): BuildError {
  return new BuildError('CONTEXT_INVALID', `The offered build context cannot be taken: "${textOfPath(path)}" ${why}.`);
}
