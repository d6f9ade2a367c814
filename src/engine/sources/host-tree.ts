import { lstatSync, readdirSync, readlinkSync, realpathSync, type Stats } from 'node:fs';
import type { Content, Entry, EntryType, FileTree } from '../../archive/index.ts';
import { BuildError, type BytePath, bytesOfPath, parentOf, textOfPath } from '../../core/index.ts';
import { decideIgnore, type IgnoreMatcher } from './ignore-matcher.ts';
import { createStampTable, type StampRow } from './stamp-table.ts';
import type { FileStamp } from './stat-cache.ts';

/** What of a directory is seen. */
export interface HostTreeOptions {
  readonly ignore?: IgnoreMatcher | undefined;
}

/** A `FileTree` over a directory of the host. Directories are read when they are asked for, and once. */
export interface HostTree extends FileTree {
  /** Absolute, without symlinks. */
  readonly root: string;
  /** Path of an entry for Node's file functions. */
  hostPath(path: BytePath): string | Buffer;
  /** Stat data of a path that `stat` knows. */
  stamp(path: BytePath): FileStamp | undefined;
  /** Whether the names in a directory have been read. */
  isListed(path: BytePath): boolean;
}

interface Node {
  readonly entry: Entry;
  readonly row: StampRow;
  /** Has more than one name. */
  readonly linked: boolean;
  /** Whether the rules keep it; undefined: not asked yet. */
  visible: boolean | undefined;
}

const NON_ASCII = /[^\u0000-\u007f]/;
const TYPE_MASK = 0o170000;
const TYPES: Readonly<Record<number, EntryType>> = {
  0o100000: 'file',
  0o040000: 'directory',
  0o120000: 'symlink',
  0o020000: 'char',
  0o060000: 'block',
  0o010000: 'fifo',
};

/**
 * Opens a directory as a tree. Symlinks are entries, never followed. Sockets are left out: they have no content that an
 * image could hold (docker's tar of a context skips them too, BuildKit makes empty files of them). What changes below the
 * directory after a part of it was read is not seen.
 *
 * @throws BuildError `CONTEXT_NOT_FOUND` when it is no directory; methods throw `CONTEXT_INVALID` for what cannot be read.
 */
export function openHostTree(directory: string, options: HostTreeOptions = {}): HostTree {
  const root = resolveRoot(directory);
  /** Everything that was looked at. */
  const nodes = new Map<BytePath, Node | undefined>();
  const listings = new Map<BytePath, readonly BytePath[]>();
  const stamps = createStampTable();
  const hostPath = (path: BytePath): string | Buffer => hostPathOf(root, path);

  const read = (path: BytePath): Node | undefined => {
    const known = nodes.get(path);
    if (known !== undefined || nodes.has(path)) return known;
    const node = readNode(path);
    nodes.set(path, node);
    return node;
  };
  const readNode = (path: BytePath): Node | undefined => {
    const stats = path.includes('\0') ? undefined : statOf(hostPath(path), path);
    const type = stats === undefined ? undefined : TYPES[stats.mode & TYPE_MASK];
    if (stats === undefined || type === undefined) return undefined;
    const linkTarget = type === 'symlink' ? readlinkSync(hostPath(path), 'latin1') : undefined;
    const entry = toEntry({ path, type, stats, linkTarget });
    return { entry, row: stamps.add(stats), linked: type === 'file' && stats.nlink > 1, visible: undefined };
  };

  const isKept = (path: BytePath): boolean => {
    const decision = decideIgnore(options.ignore, path);
    return decision === 'keep' || (decision === 'only-if-needed' && list(path).length > 0);
  };
  /** Real directories all the way: a component that is a symlink leads nowhere here. */
  const isReachable = (path: BytePath): boolean =>
    path === '' || (isReachable(parentOf(path)) && read(parentOf(path))?.entry.type === 'directory');

  const list = (path: BytePath): readonly BytePath[] => {
    const known = listings.get(path);
    if (known !== undefined) return known;
    const isDirectory = isReachable(path) && read(path)?.entry.type === 'directory';
    const names = isDirectory ? namesIn(hostPath(path), path) : [];
    const prefix = path === '' ? '' : `${path}/`;
    const kept = names.filter((name) => {
      const child = prefix + name;
      const node = isKept(child) ? read(child) : undefined;
      if (node !== undefined) node.visible = true;
      return node !== undefined;
    });
    listings.set(path, kept);
    return kept;
  };
  const find = (path: BytePath): Node | undefined => {
    const known = nodes.get(path);
    if (known?.visible !== undefined) return known.visible ? known : undefined;
    if (path !== '' && listings.has(parentOf(path))) return undefined;
    const node = isReachable(path) && isKept(path) ? read(path) : undefined;
    if (node !== undefined) node.visible = true;
    return node;
  };

  return {
    root,
    hostPath,
    isListed: (path) => listings.has(path),
    stat: (path) => find(path)?.entry,
    list: (path) => (find(path) === undefined ? [] : list(path)),
    content: (path): Content => ({ kind: 'host-file', path: hostPath(path) }),
    linkId: (path) => {
      const node = find(path);
      return node?.linked === true ? stamps.fileId(node.row) : undefined;
    },
    stamp: (path) => {
      const node = find(path);
      return node === undefined ? undefined : { table: stamps, row: node.row };
    },
  };
}

interface FoundFile {
  readonly path: BytePath;
  readonly type: EntryType;
  readonly stats: Stats;
  readonly linkTarget: string | undefined;
}

function toEntry({ path, type, stats, linkTarget }: FoundFile): Entry {
  const plain = {
    path,
    type,
    mode: stats.mode & 0o7777,
    uid: stats.uid,
    gid: stats.gid,
    sizeBytes: type === 'file' ? stats.size : 0,
    mtime: Math.floor(stats.mtimeMs / 1000),
  };
  if (linkTarget !== undefined) return { ...plain, linkTarget };
  return type === 'char' || type === 'block' ? { ...plain, device: deviceOf(stats.rdev) } : plain;
}

function resolveRoot(directory: string): string {
  try {
    const root = realpathSync(directory);
    if (lstatSync(root).isDirectory()) return root;
  } catch (error) {
    throw new BuildError(
      'CONTEXT_NOT_FOUND',
      `The directory "${directory}" cannot be opened: ${(error as Error).message}`,
      {
        cause: error,
      },
    );
  }
  throw new BuildError('CONTEXT_NOT_FOUND', `"${directory}" is not a directory.`, {
    hint: 'A build context is a directory, a URL, or - for a tar on standard input.',
  });
}

function hostPathOf(root: string, path: BytePath): string | Buffer {
  if (path === '') return root;
  const prefix = root === '/' ? '/' : `${root}/`;
  return NON_ASCII.test(path) ? Buffer.concat([Buffer.from(prefix), bytesOfPath(path)]) : prefix + path;
}

function statOf(hostPath: string | Buffer, path: BytePath): Stats | undefined {
  try {
    return lstatSync(hostPath, { throwIfNoEntry: false });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOTDIR' || (error as NodeJS.ErrnoException).code === 'ENAMETOOLONG')
      return undefined;
    throw unreadable(path, error);
  }
}

function namesIn(hostPath: string | Buffer, path: BytePath): readonly BytePath[] {
  try {
    return (readdirSync(hostPath, 'latin1') as BytePath[]).sort();
  } catch (error) {
    throw unreadable(path, error);
  }
}

function unreadable(path: BytePath, error: unknown): BuildError {
  return new BuildError('CONTEXT_INVALID', `"${textOfPath(path) || '.'}" cannot be read: ${(error as Error).message}`, {
    cause: error,
    hint: 'Make it readable for the user who builds, or exclude it with .dockerignore.',
  });
}

/** Linux's encoding of a device number in 64 bits. */
function deviceOf(rdev: number): { readonly major: number; readonly minor: number } {
  const number = BigInt(rdev);
  return {
    major: Number(((number >> 8n) & 0xfffn) | ((number >> 32n) & 0xfffff000n)),
    minor: Number((number & 0xffn) | ((number >> 12n) & 0xffffff00n)),
  };
}
