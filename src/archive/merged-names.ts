import type { BytePath } from '../core/index.ts';
import type { Toc, TocNode } from './toc.ts';

/** A name of one of the layers. */
export interface Place {
  readonly layer: number;
  readonly node: TocNode;
}

/** A name of the merged tree. `self` is undefined for a directory that no layer defines. */
export interface Merged {
  readonly self: Place | undefined;
  /** Of a directory: the directories that make up its content, highest layer first. */
  readonly sources: readonly Place[];
}

/** The names of a stack of layers with whiteouts applied, merged when they are first looked at. */
export interface MergedNames {
  find(path: BytePath): Merged | undefined;
  /** In byte order. */
  list(path: BytePath): readonly BytePath[];
}

interface CachedMerged extends Merged {
  children?: Map<string, CachedMerged | undefined>;
  names?: readonly BytePath[];
}

/** Merges layers, lowest first, as image-spec's layer.md has it: opaque marks and whiteouts hide lower layers only. */
export function createMergedNames(tocs: readonly Toc[]): MergedNames {
  const root = mergeRoot(tocs);

  const childOf = (parent: CachedMerged, name: BytePath): CachedMerged | undefined => {
    parent.children ??= new Map();
    if (parent.children.has(name)) return parent.children.get(name);
    const merged = mergeChild(tocs, parent, name);
    parent.children.set(name, merged);
    return merged;
  };
  const find = (path: BytePath): CachedMerged | undefined => {
    if (path === '') return root;
    let merged: CachedMerged | undefined = root;
    for (const part of path.split('/')) {
      merged = childOf(merged, part);
      if (merged === undefined) return undefined;
    }
    return merged;
  };
  const namesOf = (merged: CachedMerged): readonly BytePath[] => {
    const names = new Set<BytePath>();
    for (const { layer, node } of merged.sources) {
      const toc = tocs[layer]!;
      for (const child of toc.children(node)) names.add(toc.name(child));
    }
    const visible = [...names].filter((name) => childOf(merged, name) !== undefined);
    return merged.sources.length > 1 ? visible.sort() : visible;
  };

  return {
    find,
    list(path) {
      const merged = find(path);
      if (merged === undefined) return [];
      merged.names ??= namesOf(merged);
      return merged.names;
    },
  };
}

function mergeRoot(tocs: readonly Toc[]): CachedMerged {
  const sources: Place[] = [];
  let self: Place | undefined;
  for (let layer = tocs.length - 1; layer >= 0; layer--) {
    const toc = tocs[layer]!;
    if (self === undefined && toc.isDefined(0)) self = { layer, node: 0 };
    sources.push({ layer, node: 0 });
    if (toc.isOpaque(0)) break;
  }
  return { self, sources };
}

function mergeChild(tocs: readonly Toc[], parent: Merged, name: BytePath): CachedMerged | undefined {
  const sources: Place[] = [];
  let self: Place | undefined;
  let isImplied = false;
  for (const { layer, node: parentNode } of parent.sources) {
    const toc = tocs[layer]!;
    const node = toc.child(parentNode, name);
    if (node === undefined) continue;
    const type = toc.type(node);
    if (type !== undefined && type !== 'directory') {
      // Members below a name that a lower layer has as a symlink belong where it leads: until they are moved there, the
      // symlink is what counts. Any other file is replaced by the directory that they imply.
      const counts = self === undefined && (!isImplied || type === 'symlink');
      if (counts) return { self: { layer, node }, sources: [] };
      break;
    }
    if (type === 'directory') self ??= { layer, node };
    isImplied ||= toc.isImplied(node);
    sources.push({ layer, node });
    if (toc.isWhiteout(node)) break;
    if (toc.isOpaque(node)) {
      // The mark keeps the directory itself; its metadata are those of the highest layer that has it.
      self ??= definedBelow(tocs, parent, { name, below: layer });
      break;
    }
  }
  return self === undefined && !isImplied ? undefined : { self, sources };
}

function definedBelow(
  tocs: readonly Toc[],
  parent: Merged,
  { name, below }: { readonly name: BytePath; readonly below: number },
): Place | undefined {
  for (const { layer, node: parentNode } of parent.sources) {
    if (layer >= below) continue;
    const node = tocs[layer]!.child(parentNode, name);
    if (node === undefined) continue;
    if (tocs[layer]!.type(node) === 'directory') return { layer, node };
    if (tocs[layer]!.isDefined(node) || tocs[layer]!.isWhiteout(node)) return undefined;
  }
  return undefined;
}
