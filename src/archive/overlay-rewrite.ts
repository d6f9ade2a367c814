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
  const skipDevices = options.skipDevices ?? false;
  for (const node of toc.walk()) {
    const entry = overlayEntry(toc, node, { below, xattrs: options.xattrs });
    if (entry === undefined) continue;
    if (skipDevices && toc.isDefined(node) && (entry.type === 'char' || entry.type === 'block')) continue;
    yield entry.type === 'directory' || !toc.isDefined(node) ? { entry } : links.fileEntry(node, entry);
    if (node === 0 && toc.isOpaque(0)) yield* hiddenNames(toc, below);
  }
}

interface OverlayForm {
  readonly below: FileTree;
  readonly xattrs: OverlayXattrs;
}

/** What stands for one name; undefined for a whiteout of a name that is defined or implied too. */
function overlayEntry(toc: Toc, node: TocNode, { below, xattrs }: OverlayForm): Entry | undefined {
  const path = toc.path(node);
  if (toc.isDefined(node)) {
    const entry = toc.entry(node);
    const cleaned = withXattrs(entry, withoutOverlayXattrs(entry.xattrs));
    const isOpaque = toc.isOpaque(node) || toc.isWhiteout(node) || (toc.isOpaque(0) && parentOf(path) === '');
    return entry.type === 'directory' && isOpaque && node !== 0 ? markedOpaque(cleaned, xattrs) : cleaned;
  }
  const isImplied = node === 0 || toc.children(node).length > 0 || toc.isOpaque(node);
  if (!isImplied) return whiteoutDevice(path);
  const lower = toc.isWhiteout(node) ? undefined : below.stat(path);
  const directory = lower?.type === 'directory' ? { ...lower, path } : impliedDirectory(path);
  const hidesLower = toc.isOpaque(node) || toc.isWhiteout(node);
  return hidesLower && node !== 0 ? markedOpaque(directory, xattrs) : directory;
}

/** Overlayfs does not look for the opaque mark on the root of a layer: what it would hide is hidden by name. */
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
