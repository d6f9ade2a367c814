import { BuildError, type BytePath } from '../core/index.ts';
import type { Content, Entry, SparseSegment } from './entry.ts';
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
  TYPES,
  VERSION,
} from './toc-layout.ts';

/** Number of a name in a table of contents; the root is 0. */
export type TocNode = number;

/**
 * The table of contents of one layer: its names as a tree, searched directly in the bytes (nothing is parsed when it is
 * opened). Whiteouts and opaque marks are properties of the names that they are about. Of duplicate members the last one
 * counts; hard links carry the metadata and content of their file, but for those whose file is in no earlier member.
 */
export interface Toc {
  /** The whole table, to be stored and given to `openToc` again. */
  readonly bytes: Buffer;
  /** How many names there are, the root and missing parents included. */
  readonly nodeCount: number;
  /** The node at a path; undefined when the layer does not mention it. */
  find(path: BytePath): TocNode | undefined;
  child(node: TocNode, name: BytePath): TocNode | undefined;
  /** Children in the byte order of their names. */
  children(node: TocNode): readonly TocNode[];
  name(node: TocNode): BytePath;
  path(node: TocNode): BytePath;
  /** True when the layer has a member of this name, false for a missing parent or a mere whiteout. */
  isDefined(node: TocNode): boolean;
  /** True when the name of lower layers is hidden. */
  isWhiteout(node: TocNode): boolean;
  /** True for a missing parent: the layer does not define the name, but something below it. */
  isImplied(node: TocNode): boolean;
  /** True for a directory whose content in lower layers is hidden. */
  isOpaque(node: TocNode): boolean;
  type(node: TocNode): Entry['type'] | undefined;
  /** @throws BuildError `INTERNAL` when the node is not defined. */
  entry(node: TocNode): Entry;
  /** Content of a file, `file` being the path of the uncompressed tar. */
  content(node: TocNode, file: string): Content;
  /** Names of one file share a group greater than 0; a single name has group 0. */
  linkGroup(node: TocNode): number;
  /** All nodes of a link group. */
  groupMembers(group: number): readonly TocNode[];
  /** Names with members below them that are not directories in this layer: missing parents and symlinks. */
  readonly detached: readonly TocNode[];
  /** Hard links whose file is not in this layer. */
  readonly unresolved: readonly TocNode[];
  /** Every node below `from` (default the root) and `from` itself: parents first, siblings in byte order. */
  walk(from?: TocNode): IterableIterator<TocNode>;
}

/** The bytes of a table of contents. */
export function encodeToc(toc: Toc): Buffer {
  return toc.bytes;
}

/**
 * Opens a table of contents without parsing it.
 *
 * @throws BuildError `STORE_CORRUPT` when the bytes are not a table of this version.
 */
export function openToc(bytes: Uint8Array): Toc {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const sizes = checkedSizes(buffer);
  return createToc(buffer, sizes);
}

interface TocSizes {
  readonly count: number;
  readonly detachedCount: number;
  readonly unresolvedCount: number;
}

function checkedSizes(buffer: Buffer): TocSizes {
  const corrupt = (): BuildError =>
    new BuildError(
      'STORE_CORRUPT',
      'A table of contents of a layer cannot be read: it is damaged or of another version.',
      {
        hint: 'It is made again when its file in the store is removed.',
      },
    );
  if (buffer.length < HEADER_BYTES + RECORD_BYTES) throw corrupt();
  if (buffer.readUInt32LE(HEADER.magic) !== MAGIC || buffer.readUInt32LE(HEADER.version) !== VERSION) throw corrupt();
  const count = buffer.readUInt32LE(HEADER.count);
  const detachedCount = buffer.readUInt32LE(HEADER.detachedCount);
  const unresolvedCount = buffer.readUInt32LE(HEADER.unresolvedCount);
  const heapBytes = buffer.readUInt32LE(HEADER.heapBytes);
  const total = HEADER_BYTES + count * RECORD_BYTES + (detachedCount + unresolvedCount) * 4 + heapBytes;
  if (count < 1 || total !== buffer.length) throw corrupt();
  return { count, detachedCount, unresolvedCount };
}

function createToc(bytes: Buffer, sizes: TocSizes): Toc {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const lists = HEADER_BYTES + sizes.count * RECORD_BYTES;
  const heap = lists + (sizes.detachedCount + sizes.unresolvedCount) * 4;
  const at = (node: TocNode): number => HEADER_BYTES + node * RECORD_BYTES;
  const u32 = (node: TocNode, field: number): number => view.getUint32(at(node) + field, true);
  const flags = (node: TocNode): number => bytes[at(node) + RECORD.flags]!;
  const nodeList = (from: number, count: number): readonly TocNode[] =>
    Array.from({ length: count }, (_, i) => view.getUint32(lists + (from + i) * 4, true));
  const extraOf = (node: TocNode): number | undefined => {
    const extra = u32(node, RECORD.extra);
    return extra === 0 ? undefined : heap + extra - 1;
  };
  let groups: Map<number, TocNode[]> | undefined;

  const compareName = (node: TocNode, name: BytePath): number => {
    const start = heap + u32(node, RECORD.name);
    const length = view.getUint16(at(node) + RECORD.nameLength, true);
    const shared = Math.min(length, name.length);
    for (let i = 0; i < shared; i++) {
      const difference = bytes[start + i]! - name.charCodeAt(i);
      if (difference !== 0) return difference;
    }
    return length - name.length;
  };

  const toc: Toc = {
    bytes,
    nodeCount: sizes.count,
    find(path) {
      if (path === '') return 0;
      let node: TocNode | undefined = 0;
      for (const part of path.split('/')) {
        node = toc.child(node, part);
        if (node === undefined) return undefined;
      }
      return node;
    },
    child(node, name) {
      let low = u32(node, RECORD.firstChild);
      let high = low + u32(node, RECORD.childCount);
      while (low < high) {
        const middle = (low + high) >>> 1;
        const order = compareName(middle, name);
        if (order === 0) return middle;
        if (order < 0) low = middle + 1;
        else high = middle;
      }
      return undefined;
    },
    children(node) {
      const first = u32(node, RECORD.firstChild);
      return Array.from({ length: u32(node, RECORD.childCount) }, (_, i) => first + i);
    },
    name(node) {
      const start = heap + u32(node, RECORD.name);
      return bytes.toString('latin1', start, start + view.getUint16(at(node) + RECORD.nameLength, true));
    },
    path(node) {
      let path = '';
      for (let i = node; i !== 0; i = u32(i, RECORD.parent))
        path = path === '' ? toc.name(i) : `${toc.name(i)}/${path}`;
      return path;
    },
    isDefined: (node) => bytes[at(node) + RECORD.type] !== 0,
    isImplied: (node) => !toc.isDefined(node) && (flags(node) & FLAG_HOLDS) !== 0,
    isWhiteout: (node) => (flags(node) & FLAG_WHITEOUT) !== 0,
    isOpaque: (node) => (flags(node) & FLAG_OPAQUE) !== 0,
    type: (node) => TYPES[bytes[at(node) + RECORD.type]!],
    entry(node) {
      const type = toc.type(node);
      if (type === undefined) throw new BuildError('INTERNAL', `Node ${node} of a table of contents is not defined.`);
      const extra = extraOf(node);
      return {
        path: toc.path(node),
        type,
        mode: u32(node, RECORD.mode),
        uid: u32(node, RECORD.uid),
        gid: u32(node, RECORD.gid),
        sizeBytes: view.getFloat64(at(node) + RECORD.size, true),
        mtime: view.getFloat64(at(node) + RECORD.mtime, true),
        ...(extra === undefined ? {} : decodeExtra(bytes, extra)),
      };
    },
    content(node, file) {
      const extra = extraOf(node);
      if (extra !== undefined && (flags(node) & FLAG_SPARSE) !== 0) {
        return { kind: 'sparse', file, segments: decodeSegments(bytes, extra) };
      }
      return { kind: 'range', file, offset: view.getFloat64(at(node) + RECORD.offset, true) };
    },
    linkGroup: (node) => u32(node, RECORD.linkGroup),
    groupMembers(group) {
      groups ??= collectGroups(sizes.count, (node) => u32(node, RECORD.linkGroup));
      return groups.get(group) ?? [];
    },
    detached: nodeList(0, sizes.detachedCount),
    unresolved: nodeList(sizes.detachedCount, sizes.unresolvedCount),
    *walk(from = 0) {
      yield from;
      const first = u32(from, RECORD.firstChild);
      const end = first + u32(from, RECORD.childCount);
      for (let i = first; i < end; i++) {
        if (u32(i, RECORD.childCount) === 0) yield i;
        else yield* toc.walk(i);
      }
    },
  };
  return toc;
}

function collectGroups(count: number, groupOf: (node: TocNode) => number): Map<number, TocNode[]> {
  const groups = new Map<number, TocNode[]>();
  for (let node = 0; node < count; node++) {
    const group = groupOf(node);
    if (group === 0) continue;
    const members = groups.get(group);
    if (members === undefined) groups.set(group, [node]);
    else members.push(node);
  }
  return groups;
}

/** The rarer fields of an entry: link target, device, xattrs, sparse map, in this order, each behind its length. */
export function encodeExtra(entry: Entry, segments: readonly SparseSegment[] | undefined): Buffer {
  const parts: Buffer[] = [];
  const number = (value: number): void => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    parts.push(bytes);
  };
  const text = (value: Buffer): void => {
    number(value.length);
    parts.push(value);
  };
  const flags = (entry.linkTarget === undefined ? 0 : 1) | (entry.device === undefined ? 0 : 2);
  number(flags);
  text(Buffer.from(entry.linkTarget ?? '', 'latin1'));
  number(entry.device?.major ?? 0);
  number(entry.device?.minor ?? 0);
  number(entry.xattrs?.size ?? 0);
  for (const [name, value] of [...(entry.xattrs ?? [])].sort(([a], [b]) => (a < b ? -1 : 1))) {
    text(Buffer.from(name, 'utf8'));
    text(Buffer.from(value));
  }
  number(segments?.length ?? 0);
  for (const { offset, sizeBytes, fileOffset } of segments ?? []) {
    parts.push(Buffer.from(new Float64Array([offset, sizeBytes, fileOffset]).buffer));
  }
  return Buffer.concat(parts);
}

function decodeExtra(bytes: Buffer, start: number): Pick<Entry, 'linkTarget' | 'device' | 'xattrs'> {
  const read = createReader(bytes, start);
  const flags = read.number();
  const linkTarget = read.bytes().toString('latin1');
  const device = { major: read.number(), minor: read.number() };
  const count = read.number();
  const xattrs = new Map<string, Uint8Array>();
  for (let i = 0; i < count; i++) xattrs.set(read.bytes().toString('utf8'), Uint8Array.from(read.bytes()));
  return {
    ...((flags & 1) === 0 ? {} : { linkTarget }),
    ...((flags & 2) === 0 ? {} : { device }),
    ...(count === 0 ? {} : { xattrs }),
  };
}

function decodeSegments(bytes: Buffer, start: number): readonly SparseSegment[] {
  const read = createReader(bytes, start);
  read.number();
  read.bytes();
  read.number();
  read.number();
  for (let i = read.number(); i > 0; i--) {
    read.bytes();
    read.bytes();
  }
  return Array.from({ length: read.number() }, () => ({
    offset: read.double(),
    sizeBytes: read.double(),
    fileOffset: read.double(),
  }));
}

function createReader(bytes: Buffer, start: number): { number(): number; double(): number; bytes(): Buffer } {
  let at = start;
  const number = (): number => {
    at += 4;
    return bytes.readUInt32LE(at - 4);
  };
  return {
    number,
    double() {
      at += 8;
      return bytes.readDoubleLE(at - 8);
    },
    bytes() {
      const length = number();
      at += length;
      return bytes.subarray(at - length, at);
    },
  };
}
