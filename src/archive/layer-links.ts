import { BuildError, type BytePath, baseNameOf, parentOf, textOfPath } from '../core/index.ts';
import { createMergedNames, type MergedNames, type Place } from './merged-names.ts';
import { resolvePath } from './resolve-path.ts';
import type { Toc } from './toc.ts';

/** Knows which names of a stack of layers are one file. */
export interface LayerLinks {
  /** Where the metadata and content of a name are: for a hard link across layers, at its file. */
  follow(place: Place): Place;
  /** An id shared by exactly the visible names of one file; undefined when it has one name. */
  idOf(place: Place): string | undefined;
  /** Where the visible names of a file are; at least its own. */
  namesOf(place: Place): readonly Place[];
}

/**
 * Resolves the hard links whose files are in lower layers.
 *
 * @throws BuildError `ARCHIVE_INVALID` for a link to a file that is nowhere.
 */
export function createLayerLinks(tocs: readonly Toc[], merged: MergedNames): LayerLinks {
  const files = resolveLinks(tocs);
  const linksTo = new Map<string, Place[]>();
  for (const { link, file } of files.values()) {
    const key = fileKey(tocs, file);
    linksTo.set(key, [...(linksTo.get(key) ?? []), link]);
  }
  const follow = (place: Place): Place => (files.size === 0 ? place : (files.get(placeKey(place))?.file ?? place));
  const isVisible = (place: Place): boolean => {
    const found = merged.find(tocs[place.layer]!.path(place.node))?.self;
    return found?.layer === place.layer && found.node === place.node;
  };
  const visible = new Map<string, readonly Place[]>();
  const namesOf = (place: Place): readonly Place[] => {
    const file = follow(place);
    const group = tocs[file.layer]!.linkGroup(file.node);
    const key = fileKey(tocs, file);
    const links = linksTo.get(key);
    if (group === 0 && links === undefined) return [place];
    const known = visible.get(key);
    if (known !== undefined) return known;
    const own = group === 0 ? [file.node] : tocs[file.layer]!.groupMembers(group);
    const names = [...own.map((node) => ({ layer: file.layer, node })), ...(links ?? [])].filter(isVisible);
    visible.set(key, names);
    return names;
  };

  return {
    follow,
    idOf: (place) => (namesOf(place).length > 1 ? fileKey(tocs, follow(place)) : undefined),
    namesOf,
  };
}

interface ResolvedLink {
  readonly link: Place;
  readonly file: Place;
}

/** Every hard link that its own layer cannot resolve, with the file that it is a name of. */
function resolveLinks(tocs: readonly Toc[]): ReadonlyMap<string, ResolvedLink> {
  const resolved = new Map<string, ResolvedLink>();
  tocs.forEach((toc, layer) => {
    if (toc.unresolved.length === 0) return;
    const findPlace = createPlaceFinder(tocs.slice(0, layer + 1));
    for (const node of toc.unresolved) {
      const link = { layer, node };
      let file: Place | undefined = link;
      // A link may name another link of its layer: at most one step for each of them leads to the file.
      for (let steps = 0; file !== undefined && tocs[file.layer]!.type(file.node) === 'hardlink'; steps++) {
        const known: Place | undefined = resolved.get(placeKey(file))?.file;
        if (known === undefined && steps > toc.unresolved.length) throw danglingLink(toc, link);
        file = known ?? findPlace(tocs[file.layer]!.entry(file.node).linkTarget ?? '');
      }
      if (file === undefined || tocs[file.layer]!.type(file.node) === 'directory') throw danglingLink(toc, link);
      resolved.set(placeKey(link), { link, file });
    }
  });
  return resolved;
}

/** Finds a file by a path through whose parents symlinks may lead. */
function createPlaceFinder(tocs: readonly Toc[]): (path: BytePath) => Place | undefined {
  const merged = createMergedNames(tocs);
  const stat = (path: BytePath) => {
    const self = merged.find(path)?.self;
    return self && tocs[self.layer]!.entry(self.node);
  };
  return (path) => {
    const parent = resolvePath({ stat }, parentOf(path), { followLast: true });
    return merged.find(parent === '' ? baseNameOf(path) : `${parent}/${baseNameOf(path)}`)?.self;
  };
}

function placeKey({ layer, node }: Place): string {
  return `${layer}:${node}`;
}

function fileKey(tocs: readonly Toc[], { layer, node }: Place): string {
  const group = tocs[layer]!.linkGroup(node);
  return group === 0 ? `${layer}:${node}` : `${layer}:link${group}`;
}

function danglingLink(toc: Toc, { node }: Place): BuildError {
  const { path, linkTarget = '' } = toc.entry(node);
  return new BuildError(
    'ARCHIVE_INVALID',
    `The hard link "${textOfPath(path)}" of a layer names "${textOfPath(linkTarget)}", which neither it nor a layer below has.`,
    { hint: 'The image is damaged: pull it again, or tell the one who made it.' },
  );
}
