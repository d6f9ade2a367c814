import { BuildError, type BytePath, baseNameOf, parentOf, textOfPath } from '../core/index.ts';
import { createFileCache, readContent } from './content.ts';
import type { Content, Entry, FileTree, LayerEntry } from './entry.ts';
import type { IndexedLayer } from './layer-view.ts';
import { impliedDirectory } from './memory-tree.ts';
import { OPAQUE, type OverlayXattrs, opaqueXattr, withoutOverlayXattrs } from './overlay-xattrs.ts';
import { relocateToc } from './relocate-toc.ts';
import { resolvePath } from './resolve-path.ts';
import { statOver } from './stat-over.ts';
import { createTarEncoder } from './tar-encoder.ts';
import type { Toc, TocNode } from './toc.ts';
import { copyContent } from './write-layer.ts';

export interface RewriteLayerOptions {
  /** The attributes that the mount will read. */
  readonly xattrs: OverlayXattrs;
  /** The view of the layers below; absent for the lowest layer. */
  readonly below?: FileTree | undefined;
  /** Leave device nodes out: they cannot be made in a user namespace. Whiteouts always can. */
  readonly skipDevices?: boolean;
}

const BUFFER_BYTES = 1 << 20;
const EMPTY_TREE: FileTree = {
  stat: (path) => (path === '' ? impliedDirectory('') : undefined),
  list: () => [],
  content: () => ({ kind: 'bytes', bytes: new Uint8Array(0) }),
  linkId: () => undefined,
};

/**
 * A layer as a tar that becomes a lower directory of overlayfs when GNU tar unpacks it
 * (`tar --xattrs --xattrs-include=* -xpf -`, with the right to make device 0/0): whiteouts are char devices 0/0, opaque
 * directories have overlay's attribute, missing parents come with the metadata that they have below, members below a
 * symlink at the place where it leads, hard links to files of lower layers as files of their own. Members come sorted,
 * parents first, the root included; a name comes once. Chunks stay valid.
 *
 * @throws BuildError `ARCHIVE_INVALID` for a hard link to a file that is nowhere.
 */
export async function* rewriteLayerForOverlay(
  layer: IndexedLayer,
  options: RewriteLayerOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  let ready: Buffer[] = [];
  const encoder = createTarEncoder({ write: (bytes) => void ready.push(Buffer.from(bytes)) }, BUFFER_BYTES);
  const take = (): readonly Buffer[] => {
    const taken = ready;
    ready = [];
    return taken;
  };
  const files = createFileCache();
  try {
    for (const { entry, content } of overlayEntries(layer, options)) {
      encoder.header(entry);
      if (content !== undefined && entry.sizeBytes > BUFFER_BYTES) {
        for (const chunk of readContent(content, entry.sizeBytes)) {
          encoder.append(chunk);
          yield* take();
        }
        encoder.pad();
      } else if (content !== undefined) {
        copyContent(encoder, files, { entry, content });
      }
      if (ready.length > 0) yield* take();
    }
    encoder.end();
    yield* take();
  } finally {
    files.close();
  }
}

/** The members of the overlay form of a layer. */
function* overlayEntries(layer: IndexedLayer, options: RewriteLayerOptions): Generator<LayerEntry> {
  const below = options.below ?? EMPTY_TREE;
  const stat = statOver(layer.toc, below);
  const resolveDirectory = (path: BytePath): BytePath => resolvePath({ stat }, path, { followLast: true });
  const toc = layer.toc.detached.length === 0 ? layer.toc : relocateToc(layer.toc, resolveDirectory);
  const links = createLinkNames({ ...layer, toc }, below, resolveDirectory);

  /** `under`: what is below the directory that the node lies in; empty where the layer hides it. */
  function* emit(node: TocNode, under: FileTree): Generator<LayerEntry> {
    const entry = overlayEntry(toc, node, under);
    if (entry === undefined) return;
    if (entry.type !== 'directory') {
      const isDevice = entry.type === 'char' || entry.type === 'block';
      if (!toc.isDefined(node)) yield { entry };
      else if (!isDevice || options.skipDevices !== true) yield links.fileEntry(node, entry);
      return;
    }
    const isTop = node !== 0 && toc.isOpaque(0) && !entry.path.includes('/');
    const hides = toc.isOpaque(node) || toc.isWhiteout(node) || isTop;
    const marksItself = hides && node !== 0 && under.stat(entry.path)?.type === 'directory';
    yield { entry: marksItself ? markedOpaque(entry, options.xattrs) : entry };
    for (const child of toc.children(node)) yield* emit(child, hides && node !== 0 ? EMPTY_TREE : under);
    if (hides && node === 0) yield* hiddenNames(toc, below);
  }
  yield* emit(0, below);
}

/** What stands for one name; undefined where there is nothing to write: a whiteout of what is not there. */
function overlayEntry(toc: Toc, node: TocNode, under: FileTree): Entry | undefined {
  const path = toc.path(node);
  if (toc.isDefined(node)) {
    const entry = toc.entry(node);
    return withXattrs(entry, withoutOverlayXattrs(entry.xattrs));
  }
  const lower = under.stat(path);
  if (!toc.isImplied(node) && node !== 0) {
    if (lower === undefined) return undefined;
    if (toc.isWhiteout(node)) return whiteoutDevice(path);
    if (lower.type !== 'directory') return undefined;
  }
  return lower?.type === 'directory' && !toc.isWhiteout(node) ? { ...lower, path } : impliedDirectory(path);
}

/**
 * Overlayfs does not look for the mark on the root of a layer: what an opaque root hides is hidden name by name, and the
 * directories that the layer has itself are opaque each.
 */
function* hiddenNames(toc: Toc, below: FileTree): Generator<LayerEntry> {
  for (const name of below.list('')) {
    if (toc.child(0, name) === undefined) yield { entry: whiteoutDevice(name) };
  }
}

function whiteoutDevice(path: BytePath): Entry {
  const device = { major: 0, minor: 0 };
  return { path, type: 'char', mode: 0, uid: 0, gid: 0, sizeBytes: 0, mtime: 0, device };
}

function markedOpaque(entry: Entry, kind: OverlayXattrs): Entry {
  return { ...entry, xattrs: new Map([...(entry.xattrs ?? []), [opaqueXattr(kind), OPAQUE]]) };
}

function withXattrs(entry: Entry, xattrs: Entry['xattrs']): Entry {
  if (xattrs === entry.xattrs) return entry;
  const { xattrs: _, ...rest } = entry;
  return xattrs === undefined ? rest : { ...rest, xattrs };
}

/** Gives every file its content once, and its other names as hard links to the first. */
function createLinkNames(
  layer: IndexedLayer,
  below: FileTree,
  resolveDirectory: (path: BytePath) => BytePath,
): { fileEntry(node: TocNode, entry: Entry): LayerEntry } {
  const { toc, tarPath } = layer;
  const firstNames = new Map<string, BytePath>();
  const named = (key: string | undefined, entry: Entry, content: () => Content): LayerEntry => {
    const first = key === undefined ? undefined : firstNames.get(key);
    if (first !== undefined) return { entry: { ...entry, type: 'hardlink', sizeBytes: 0, linkTarget: first } };
    if (key !== undefined) firstNames.set(key, entry.path);
    return entry.type === 'file' && entry.sizeBytes > 0 ? { entry, content: content() } : { entry };
  };
  return {
    fileEntry(node, entry) {
      if (entry.type !== 'hardlink') {
        const group = toc.linkGroup(node);
        return named(group === 0 ? undefined : `own:${group}`, entry, () => toc.content(node, tarPath));
      }
      const text = entry.linkTarget ?? '';
      const parent = resolveDirectory(parentOf(text));
      const target = parent === '' ? baseNameOf(text) : `${parent}/${baseNameOf(text)}`;
      const file = below.stat(target);
      if (file === undefined || file.type === 'directory') throw danglingLink(entry);
      return named(`below:${below.linkId(target) ?? target}`, { ...file, path: entry.path }, () =>
        below.content(target),
      );
    },
  };
}

function danglingLink({ path, linkTarget = '' }: Entry): BuildError {
  return new BuildError(
    'ARCHIVE_INVALID',
    `The hard link "${textOfPath(path)}" of a layer names "${textOfPath(linkTarget)}", which neither it nor a layer below has.`,
    { hint: 'The image is damaged: pull it again, or tell the one who made it.' },
  );
}
