import { BuildError, type BytePath, baseNameOf, parentOf, textOfPath } from '../core/index.ts';
import type { Content, Entry, FileTree, LayerEntry } from './entry.ts';

interface Node {
  readonly entry: Entry;
  readonly content: Content;
  /** Shared by the names of one file. */
  readonly file: { names: number; readonly id: string };
  readonly children: Set<BytePath>;
}

const EMPTY: Content = { kind: 'bytes', bytes: new Uint8Array(0) };

/** The metadata of a directory that is needed but given nowhere: 0755, owned by root, from 1970. */
export function impliedDirectory(path: BytePath): Entry {
  return { path, type: 'directory', mode: 0o755, uid: 0, gid: 0, sizeBytes: 0, mtime: 0 };
}

/**
 * A tree of the given entries, in memory. Missing parents are made (0755, 0:0); of entries with one path the last counts.
 *
 * @throws BuildError `ARCHIVE_INVALID` for a hard link whose file is not among the entries before it, and for an entry below
 *   something that is no directory.
 */
export function treeFromEntries(entries: Iterable<LayerEntry>): FileTree {
  const nodes = new Map<BytePath, Node>();
  const put = (path: BytePath, node: Node): void => {
    const old = nodes.get(path);
    if (old !== undefined) {
      old.file.names--;
      if (node.entry.type === 'directory') for (const name of old.children) node.children.add(name);
      else for (const name of old.children) removeBelow(nodes, path === '' ? name : `${path}/${name}`);
    }
    nodes.set(path, node);
  };
  const putParents = (path: BytePath): void => {
    if (path === '') return;
    const parent = parentOf(path);
    const known = nodes.get(parent);
    if (known === undefined) {
      putParents(parent);
      put(parent, newNode(impliedDirectory(parent), EMPTY));
    } else if (known.entry.type !== 'directory') {
      throw new BuildError('ARCHIVE_INVALID', `"${textOfPath(path)}" lies below a ${known.entry.type}.`);
    }
    nodes.get(parent)!.children.add(baseNameOf(path));
  };

  put('', newNode(impliedDirectory(''), EMPTY));
  for (const { entry, content } of entries) {
    putParents(entry.path);
    if (entry.type !== 'hardlink') {
      put(entry.path, newNode(entry, content ?? EMPTY));
      continue;
    }
    const target = nodes.get(entry.linkTarget ?? '');
    if (target === undefined || target.entry.type === 'directory') {
      throw new BuildError('ARCHIVE_INVALID', `The hard link "${textOfPath(entry.path)}" names no file before it.`);
    }
    target.file.names++;
    put(entry.path, { ...target, entry: { ...target.entry, path: entry.path } });
  }

  return {
    stat: (path) => nodes.get(path)?.entry,
    list: (path) => [...(nodes.get(path)?.children ?? [])].sort(),
    content: (path) => nodes.get(path)?.content ?? EMPTY,
    linkId(path) {
      const file = nodes.get(path)?.file;
      return file === undefined || file.names < 2 ? undefined : file.id;
    },
  };
}

function newNode(entry: Entry, content: Content): Node {
  return { entry, content, file: { names: 1, id: entry.path }, children: new Set() };
}

function removeBelow(nodes: Map<BytePath, Node>, path: BytePath): void {
  const node = nodes.get(path);
  if (node === undefined) return;
  nodes.delete(path);
  node.file.names--;
  for (const name of node.children) removeBelow(nodes, `${path}/${name}`);
}
