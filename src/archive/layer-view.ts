import type { BytePath } from '../core/index.ts';
import type { Entry, FileTree } from './entry.ts';
import { createLayerLinks } from './layer-links.ts';
import { impliedDirectory } from './memory-tree.ts';
import { createMergedNames, type Merged } from './merged-names.ts';
import { relocateToc } from './relocate-toc.ts';
import { resolvePath } from './resolve-path.ts';
import { statOver } from './stat-over.ts';
import type { Toc } from './toc.ts';

/** A layer that lies uncompressed in a file, with its table of contents. */
export interface IndexedLayer {
  readonly toc: Toc;
  readonly tarPath: string;
}

/**
 * The merged view of layers, lowest first, as an image's root file system has it (image-spec, layer.md, "Applying"):
 * whiteouts and opaque marks hide lower layers only, another type replaces, members below a symlink are seen where it
 * leads, which is never outside of the root. Names are merged when they are looked at, not before.
 *
 * @throws BuildError `ARCHIVE_INVALID` when a hard link names a file that is nowhere; `SYMLINK_LOOP`.
 */
export function createLayerView(layers: readonly IndexedLayer[]): FileTree {
  const placed = placeLayers(layers);
  const tocs = placed.map(({ toc }) => toc);
  const merged = createMergedNames(tocs);
  const links = createLayerLinks(tocs, merged);
  const entryOf = (found: Merged): Entry | undefined => {
    if (found.self === undefined) return undefined;
    const { layer, node } = links.follow(found.self);
    return tocs[layer]!.entry(node);
  };

  return {
    stat(path) {
      const found = merged.find(path);
      if (found === undefined) return undefined;
      const entry = entryOf(found) ?? impliedDirectory(path);
      return entry.path === path ? entry : { ...entry, path };
    },
    list: merged.list,
    content(path) {
      const self = merged.find(path)?.self;
      if (self === undefined) return { kind: 'bytes', bytes: new Uint8Array(0) };
      const { layer, node } = links.follow(self);
      return tocs[layer]!.content(node, placed[layer]!.tarPath);
    },
    linkId(path) {
      const self = merged.find(path)?.self;
      return self && links.idOf(self);
    },
  };
}

/** Layers, lowest first, whose members lie where the symlinks of the layers below lead. */
export function placeLayers(layers: readonly IndexedLayer[]): readonly IndexedLayer[] {
  const placed: IndexedLayer[] = [];
  for (const layer of layers) placed.push(layer.toc.detached.length === 0 ? layer : relocated(layer, placed));
  return placed;
}

/** A layer some of whose members lie below symlinks, as it comes to lie on the layers below. */
function relocated(layer: IndexedLayer, lower: readonly IndexedLayer[]): IndexedLayer {
  const stat = statOver(layer.toc, createLayerView(lower));
  const resolveDirectory = (path: BytePath): BytePath => resolvePath({ stat }, path, { followLast: true });
  return { ...layer, toc: relocateToc(layer.toc, resolveDirectory) };
}
