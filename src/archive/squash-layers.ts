import type { BytePath } from '../core/index.ts';
import type { Entry, LayerItem } from './entry.ts';
import { createLayerLinks, type LayerLinks } from './layer-links.ts';
import { type IndexedLayer, placeLayers } from './layer-view.ts';
import { impliedDirectory } from './memory-tree.ts';
import { createMergedNames, type Merged, type MergedNames, type Place } from './merged-names.ts';
import type { Toc } from './toc.ts';

/**
 * The items of one layer that does to `base` what the layers `above` do one after the other: what they leave there, in byte
 * order, and whiteouts for exactly what they take away from the base. Names that only came and went leave no trace. A
 * directory in which nothing of the base is left gets an opaque mark instead of a whiteout for each name. Content is named
 * where it lies; nothing is unpacked.
 *
 * @throws BuildError `ARCHIVE_INVALID` when a hard link names a file that is nowhere; `SYMLINK_LOOP`.
 */
export function* squashLayers(
  base: readonly IndexedLayer[],
  above: readonly IndexedLayer[],
): Generator<LayerItem, void, undefined> {
  const layers = placeLayers([...base, ...above]);
  const tocs = layers.map(({ toc }) => toc);
  const merged = createMergedNames(tocs);
  const squash: Squash = {
    layers,
    tocs,
    merged,
    below: createMergedNames(tocs.slice(0, base.length)),
    links: createLayerLinks(tocs, merged),
    baseCount: base.length,
    firstNames: new Map(),
  };
  const root = merged.find('')!;
  if (isAbove(squash, root.self)) yield { entry: { ...entryAt(squash, root.self!), path: '' } };
  yield* contentOf(squash, { path: '', merged: root, below: squash.below.find('') });
}

interface Squash {
  readonly layers: readonly IndexedLayer[];
  readonly tocs: readonly Toc[];
  /** All layers. */
  readonly merged: MergedNames;
  /** The base alone. */
  readonly below: MergedNames;
  readonly links: LayerLinks;
  readonly baseCount: number;
  /** Where each file with several names was written first, by the id of its links. */
  readonly firstNames: Map<string, BytePath>;
}

/** A directory of the result, with what the base has at its path, as far as that is not hidden. */
interface Visited {
  readonly path: BytePath;
  readonly merged: Merged;
  readonly below: Merged | undefined;
}

function isAbove({ baseCount }: Squash, place: Place | undefined): boolean {
  return place !== undefined && place.layer >= baseCount;
}

function* contentOf(squash: Squash, { path, merged, below }: Visited): Generator<LayerItem, void, undefined> {
  const isTouched = merged.sources.some((place) => isAbove(squash, place));
  if (!isTouched) return;
  const isHidden = below !== undefined && isDirectory(squash, below) && !keepsBase(squash, merged);
  // A whiteout for each name would do as well; this says it once.
  if (isHidden && squash.below.list(path).length > 0) yield { opaque: path };
  const inBase = isHidden || below === undefined ? [] : squash.below.list(path);
  const names = new Set([...squash.merged.list(path), ...inBase]);
  for (const name of [...names].sort()) {
    const child = path === '' ? name : `${path}/${name}`;
    const found = squash.merged.find(child);
    if (found === undefined) yield { whiteout: child };
    else
      yield* changeOf(squash, {
        path: child,
        merged: found,
        below: inBase.includes(name) ? squash.below.find(child) : undefined,
      });
  }
}

function* changeOf(squash: Squash, visited: Visited): Generator<LayerItem, void, undefined> {
  const { path, merged, below } = visited;
  const { self } = merged;
  if (self !== undefined && squash.tocs[self.layer]!.type(self.node) !== 'directory') {
    if (isAbove(squash, self)) yield fileAt(squash, path, self);
    return;
  }
  if (self === undefined) {
    // A directory that nothing but its content tells of, where the base has none that could stay.
    const isKept = below !== undefined && isDirectory(squash, below) && keepsBase(squash, merged);
    if (!isKept) yield { entry: impliedDirectory(path) };
  } else if (isAbove(squash, self)) yield { entry: { ...entryAt(squash, self), path } };
  yield* contentOf(squash, visited);
}

/** Whether what the base says of a directory counts for the result. */
function keepsBase({ baseCount }: Squash, { sources }: Merged): boolean {
  return sources.some(({ layer }) => layer < baseCount);
}

function isDirectory({ tocs }: Squash, { self }: Merged): boolean {
  return self === undefined || tocs[self.layer]!.type(self.node) === 'directory';
}

function entryAt({ tocs }: Squash, { layer, node }: Place): Entry {
  return tocs[layer]!.entry(node);
}

/** A file with its content, or as a hard link to the name of it that came first: here, or one that the base keeps. */
function fileAt(squash: Squash, path: BytePath, self: Place): LayerItem {
  const { links, firstNames, layers, tocs } = squash;
  const file = links.follow(self);
  const entry: Entry = { ...entryAt(squash, file), path };
  const linkId = links.idOf(self);
  const first = linkId === undefined ? undefined : (firstNames.get(linkId) ?? nameInBase(squash, self));
  if (first !== undefined) return { entry: { ...entry, type: 'hardlink', sizeBytes: 0, linkTarget: first } };
  if (linkId !== undefined) firstNames.set(linkId, path);
  if (entry.type !== 'file' || entry.sizeBytes === 0) return { entry };
  return { entry, content: tocs[file.layer]!.content(file.node, layers[file.layer]!.tarPath) };
}

/** The first name of a file that the base keeps for it. */
function nameInBase({ tocs, links, baseCount }: Squash, self: Place): BytePath | undefined {
  const kept = links.namesOf(self).filter(({ layer }) => layer < baseCount);
  return kept.map(({ layer, node }) => tocs[layer]!.path(node)).sort()[0];
}
