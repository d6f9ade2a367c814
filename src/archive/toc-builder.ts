import { BuildError, type BytePath, textOfPath } from '../core/index.ts';
import type { Entry, SparseSegment } from './entry.ts';
import { encodeExtra, openToc, type Toc } from './toc.ts';
import {
  FLAG_HOLDS,
  FLAG_OPAQUE,
  FLAG_SPARSE,
  FLAG_WHITEOUT,
  HEADER,
  HEADER_BYTES,
  MAGIC,
  RECORD,
  RECORD_BYTES,
  TYPE_CODES,
  VERSION,
} from './toc-layout.ts';

/** Collects the members of one layer, in the order of the archive, into its table of contents. */
export interface TocBuilder {
  /**
   * @throws BuildError `ARCHIVE_INVALID` when the entry lies below something that is neither directory nor symlink.
   */
  add(entry: Entry, place: ContentPlace): void;
  whiteout(path: BytePath): void;
  opaque(path: BytePath): void;
  build(): Toc;
}

/** Where a file's content lies in the uncompressed archive. */
export interface ContentPlace {
  readonly offset: number;
  readonly segments?: readonly SparseSegment[] | undefined;
}

/** What a name stands for; hard links share it. `group` is given when the table is encoded. */
interface Inode {
  readonly entry: Entry;
  readonly place: ContentPlace;
  names: number;
  group: number;
}

interface Node {
  readonly name: string;
  readonly parent: Node | undefined;
  children: Map<string, Node> | undefined;
  inode: Inode | undefined;
  flags: number;
}

const LONGEST_NAME = 0xffff;

export function createTocBuilder(): TocBuilder {
  const root: Node = newNode('', undefined);
  let lastParentPath = '';
  let lastParent = root;

  const nodeAt = (path: BytePath): Node => {
    if (path === '') return root;
    const slash = path.lastIndexOf('/');
    const parentPath = slash < 0 ? '' : path.slice(0, slash);
    if (parentPath !== lastParentPath) {
      lastParent = nodeAt(parentPath);
      lastParentPath = parentPath;
    }
    return childOf(lastParent, path.slice(slash + 1), path);
  };
  const forgetParents = (): void => {
    lastParentPath = '';
    lastParent = root;
  };

  return {
    add(entry, place) {
      const node = nodeAt(entry.path);
      if (node === root && entry.type !== 'directory') {
        throw new BuildError('ARCHIVE_INVALID', 'The archive cannot be used: its root is not a directory.');
      }
      const linked = entry.type === 'hardlink' ? findInode(root, entry.linkTarget ?? '') : undefined;
      node.inode = linked ?? { entry, place, names: 0, group: 0 };
      if (entry.type !== 'directory' && node.children !== undefined) {
        node.children = undefined;
        forgetParents();
      }
    },
    whiteout(path) {
      nodeAt(path).flags |= FLAG_WHITEOUT;
    },
    opaque(path) {
      nodeAt(path).flags |= FLAG_OPAQUE;
    },
    build: () => openToc(encodeNodes(numberNodes(root))),
  };
}

function newNode(name: string, parent: Node | undefined): Node {
  return { name, parent, children: undefined, inode: undefined, flags: 0 };
}

function childOf(parent: Node, name: string, path: BytePath): Node {
  const known = parent.children?.get(name);
  if (known !== undefined) return known;
  const parentType = parent.inode?.entry.type;
  if (parentType !== undefined && parentType !== 'directory' && parentType !== 'symlink') {
    throw new BuildError(
      'ARCHIVE_INVALID',
      `The archive cannot be used: "${textOfPath(path)}" lies below a ${parentType}.`,
    );
  }
  if (name.length > LONGEST_NAME)
    throw new BuildError('ARCHIVE_INVALID', `The archive has a name of ${name.length} bytes.`);
  const node = newNode(name, parent);
  parent.children ??= new Map();
  parent.children.set(name, node);
  return node;
}

/** The file that a hard link names; undefined when this layer has not (yet) got it. */
function findInode(root: Node, path: BytePath): Inode | undefined {
  let node: Node | undefined = root;
  for (const part of path.split('/')) node = node?.children?.get(part);
  const type = node?.inode?.entry.type;
  return type === undefined || type === 'directory' || type === 'hardlink' ? undefined : node?.inode;
}

interface NumberedNodes {
  /** Breadth first, siblings sorted. */
  readonly nodes: readonly Node[];
  readonly parents: Uint32Array;
  readonly firstChildren: Uint32Array;
}

function numberNodes(root: Node): NumberedNodes {
  const nodes: Node[] = [root];
  const parents: number[] = [0];
  const firstChildren: number[] = [];
  for (let i = 0; i < nodes.length; i++) {
    const children = nodes[i]!.children;
    firstChildren.push(nodes.length);
    if (children === undefined) continue;
    for (const child of sortedByName(children)) {
      nodes.push(child);
      parents.push(i);
    }
  }
  linkInodes(root, nodes);
  markHolders(nodes);
  return { nodes, parents: Uint32Array.from(parents), firstChildren: Uint32Array.from(firstChildren) };
}

function sortedByName(children: ReadonlyMap<string, Node>): readonly Node[] {
  const list = [...children.values()];
  for (let i = 1; i < list.length; i++) {
    if (list[i - 1]!.name > list[i]!.name) return list.sort((a, b) => (a.name < b.name ? -1 : 1));
  }
  return list;
}

/** Resolves hard links that stand before their file, and gives a group to every file with several names. */
function linkInodes(root: Node, nodes: readonly Node[]): void {
  let groups = 0;
  for (const node of nodes) {
    if (node.inode?.entry.type === 'hardlink')
      node.inode = findInode(root, node.inode.entry.linkTarget ?? '') ?? node.inode;
    if (node.inode === undefined) continue;
    node.inode.names++;
    if (node.inode.names === 2) node.inode.group = ++groups;
  }
}

/** Tells missing parents from names under which there are only whiteouts. */
function markHolders(nodes: readonly Node[]): void {
  for (let i = nodes.length - 1; i >= 0; i--) {
    const node = nodes[i]!;
    if (node.inode !== undefined) node.flags |= FLAG_HOLDS;
    if (node.parent !== undefined) node.parent.flags |= node.flags & FLAG_HOLDS;
  }
}

function encodeNodes(numbered: NumberedNodes): Buffer {
  const { nodes } = numbered;
  const heap = createHeap();
  const records = Buffer.alloc(nodes.length * RECORD_BYTES);
  const detached: number[] = [];
  const unresolved: number[] = [];
  const extras = new Map<Inode, number>();
  nodes.forEach((node, i) => {
    encodeNode(records, i, { node, numbered, heap, extras });
    const type = node.inode?.entry.type;
    const holdsOthers = node.children !== undefined || (node.flags & FLAG_OPAQUE) !== 0;
    if (i !== 0 && holdsOthers && type !== 'directory') detached.push(i);
    if (type === 'hardlink') unresolved.push(i);
  });
  const lists = Buffer.from(Uint32Array.from([...detached, ...unresolved]).buffer);
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32LE(MAGIC, HEADER.magic);
  header.writeUInt32LE(VERSION, HEADER.version);
  header.writeUInt32LE(nodes.length, HEADER.count);
  header.writeUInt32LE(detached.length, HEADER.detachedCount);
  header.writeUInt32LE(unresolved.length, HEADER.unresolvedCount);
  header.writeUInt32LE(heap.size(), HEADER.heapBytes);
  return Buffer.concat([header, records, lists, heap.bytes()]);
}

interface Encoding {
  readonly node: Node;
  readonly numbered: NumberedNodes;
  readonly heap: Heap;
  /** Heap offset plus one, so that hard links share what is there for their file. */
  readonly extras: Map<Inode, number>;
}

function encodeNode(records: Buffer, i: number, encoding: Encoding): void {
  const { node, numbered, heap } = encoding;
  const at = i * RECORD_BYTES;
  const u32 = (field: number, value: number): void => {
    records.writeUInt32LE(value, at + field);
  };
  u32(RECORD.name, heap.addText(node.name));
  records.writeUInt16LE(node.name.length, at + RECORD.nameLength);
  u32(RECORD.parent, numbered.parents[i]!);
  u32(RECORD.firstChild, numbered.firstChildren[i]!);
  u32(RECORD.childCount, node.children?.size ?? 0);
  records[at + RECORD.flags] = node.flags;
  if (node.inode === undefined) return;
  const { entry, place, group } = node.inode;
  records[at + RECORD.type] = TYPE_CODES[entry.type];
  if (place.segments !== undefined) records[at + RECORD.flags]! |= FLAG_SPARSE;
  u32(RECORD.mode, entry.mode);
  u32(RECORD.uid, entry.uid);
  u32(RECORD.gid, entry.gid);
  u32(RECORD.linkGroup, group);
  u32(RECORD.extra, addExtra(node.inode, encoding));
  records.writeDoubleLE(entry.sizeBytes, at + RECORD.size);
  records.writeDoubleLE(entry.mtime, at + RECORD.mtime);
  records.writeDoubleLE(place.offset, at + RECORD.offset);
}

function addExtra(inode: Inode, { heap, extras }: Encoding): number {
  const { entry, place } = inode;
  const isPlain =
    entry.linkTarget === undefined &&
    entry.device === undefined &&
    place.segments === undefined &&
    (entry.xattrs === undefined || entry.xattrs.size === 0);
  if (isPlain) return 0;
  const known = extras.get(inode);
  if (known !== undefined) return known;
  const offset = heap.addBytes(encodeExtra(entry, place.segments)) + 1;
  extras.set(inode, offset);
  return offset;
}

interface Heap {
  addText(text: string): number;
  addBytes(bytes: Buffer): number;
  size(): number;
  bytes(): Buffer;
}

function createHeap(): Heap {
  let buffer = Buffer.allocUnsafe(1 << 16);
  let used = 0;
  const reserve = (count: number): number => {
    if (used + count > buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(buffer.length * 2, used + count));
      buffer.copy(larger, 0, 0, used);
      buffer = larger;
    }
    used += count;
    return used - count;
  };
  return {
    addText(text) {
      const at = reserve(text.length);
      buffer.write(text, at, text.length, 'latin1');
      return at;
    },
    addBytes(bytes) {
      const at = reserve(bytes.length);
      bytes.copy(buffer, at);
      return at;
    },
    size: () => used,
    bytes: () => buffer.subarray(0, used),
  };
}
