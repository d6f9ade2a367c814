import type { Content, Entry, FileTree, LayerItem } from '../../archive/index.ts';
import { type BytePath, parentOf } from '../../core/index.ts';

/** One name of a layer that is being planned. Names with the same `link` object are hard links of one file. */
export interface DraftNode {
  readonly entry: Entry;
  /** Where its content is; a place in a tree is only turned into content when the layer is written. */
  readonly content?: Content | TreePlace;
  readonly link?: object;
}

/** A file in a tree. */
export interface TreePlace {
  readonly kind: 'place';
  readonly tree: FileTree;
  readonly path: BytePath;
}

/** A layer that is being planned on top of a base: what it holds so far, and how the two look together. */
export interface LayerDraft {
  /** What a later step would see at a path: the draft's entry, else the base's, unless the draft hides that. */
  stat(path: BytePath): Entry | undefined;
  /** Whether the draft itself has an entry here. */
  has(path: BytePath): boolean;
  node(path: BytePath): DraftNode | undefined;
  /** The paths of the draft's own entries, parents first. */
  paths(): readonly BytePath[];
  /** The content of a file of the base. */
  baseContent(path: BytePath): Content | undefined;
  /** Puts an entry under its path. What is no directory, or follows what was none, hides all that was below. */
  set(node: DraftNode): void;
  /** The layer's items in the order in which they came, parents first. */
  items(): Generator<LayerItem>;
}

/** Starts an empty layer over `base`; undefined stands for no base at all. */
export function createLayerDraft(base: FileTree | undefined): LayerDraft {
  const nodes = new Map<BytePath, DraftNode>();
  /** Paths whose content in the base is hidden. */
  const covers = new Set<BytePath>();

  const isCovered = (path: BytePath): boolean => {
    if (covers.size === 0) return false;
    for (let parent = path; parent !== ''; parent = parentOf(parent)) {
      if (parent !== path && covers.has(parent)) return true;
    }
    return false;
  };
  const baseStat = (path: BytePath): Entry | undefined =>
    base === undefined || isCovered(path) ? undefined : base.stat(path);
  const forgetBelow = (path: BytePath): void => {
    const prefix = `${path}/`;
    for (const other of nodes.keys()) if (other.startsWith(prefix)) nodes.delete(other);
  };

  return {
    stat: (path) => nodes.get(path)?.entry ?? baseStat(path),
    has: (path) => nodes.has(path),
    node: (path) => nodes.get(path),
    paths: () => [...nodes.keys()],
    baseContent: (path) => base?.content(path),
    set(node) {
      const { path, type } = node.entry;
      const before = nodes.get(path)?.entry ?? baseStat(path);
      if (before?.type === 'directory' && type !== 'directory') {
        forgetBelow(path);
        if (baseStat(path)?.type === 'directory') covers.add(path);
      }
      nodes.set(path, node);
    },
    *items() {
      const firstNames = new Map<object, BytePath>();
      for (const node of nodes.values()) {
        const { path, type } = node.entry;
        const first = node.link === undefined ? undefined : firstNames.get(node.link);
        if (first !== undefined) {
          yield { entry: { ...node.entry, type: 'hardlink', sizeBytes: 0, linkTarget: first } };
          continue;
        }
        if (node.link !== undefined) firstNames.set(node.link, path);
        yield node.content === undefined
          ? { entry: node.entry }
          : { entry: node.entry, content: contentOf(node.content) };
        // The base's directory was replaced and made again: nothing of it may show through.
        if (type === 'directory' && covers.has(path)) yield { opaque: path };
      }
    },
  };
}

function contentOf(content: Content | TreePlace): Content {
  return content.kind === 'place' ? content.tree.content(content.path) : content;
}
