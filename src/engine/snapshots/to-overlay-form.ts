import { type Entry, type FileTree, resolvePath, type TarEntry } from '../../archive/index.ts';
import { type BytePath, baseNameOf, parentOf } from '../../core/index.ts';
import type { WorkingKind } from '../exec/namespace.ts';
import { isSettable, opaqueEntry, whiteoutEntry, withAttributes } from './overlay-form.ts';
import { readWhiteout } from './read-whiteout.ts';

/** An entry to be unpacked; `member` brings the content of a file from the archive, `copyFrom` names it in the layer's view. */
export interface OverlayEntry {
  readonly entry: Entry;
  readonly member?: TarEntry;
  readonly copyFrom?: BytePath;
}

/** What a layer is seen in. */
export interface LayerViews {
  readonly kind: WorkingKind;
  /** The layers below it, merged. */
  readonly lower: FileTree;
  /** The same with the layer itself. */
  readonly merged: FileTree;
}

/**
 * Turns a layer's members into a tree that overlayfs stacks: whiteouts become 0/0 devices, opaque marks attributes, members
 * lie where symlinked parents lead, parents that only lower layers describe get their attributes from there, and a hard
 * link to a lower layer's file becomes a copy of it (overlayfs cannot link across layers).
 */
export async function* toOverlayForm(
  members: AsyncIterable<TarEntry>,
  views: LayerViews,
): AsyncGenerator<OverlayEntry, void, undefined> {
  const state = createState(views);
  for await (const member of members) {
    const whiteout = readWhiteout(member.entry.path);
    if (whiteout?.kind === 'reserved') continue;
    if (whiteout?.kind === 'opaque') {
      yield* state.opaque(state.directoryOf(whiteout.path));
    } else {
      const place = state.placeOf(whiteout?.path ?? member.entry.path);
      if (place === '' && whiteout === undefined) continue;
      yield* state.parents(place);
      yield* whiteout === undefined ? state.member(place, member) : state.whiteout(place);
    }
  }
}

interface State {
  directoryOf(path: BytePath): BytePath;
  placeOf(path: BytePath): BytePath;
  parents(place: BytePath): Generator<OverlayEntry>;
  opaque(place: BytePath): Generator<OverlayEntry>;
  whiteout(place: BytePath): Generator<OverlayEntry>;
  member(place: BytePath, member: TarEntry): Generator<OverlayEntry>;
}

function createState({ kind, lower, merged }: LayerViews): State {
  const directories = new Map<BytePath, BytePath>([['', '']]);
  const made = new Set<BytePath>(['']);
  const files = new Set<BytePath>();
  const opaques = new Set<BytePath>();

  const directoryOf = (path: BytePath): BytePath => {
    const known = directories.get(path);
    if (known !== undefined) return known;
    const resolved = resolvePath(merged, path, { followLast: true });
    directories.set(path, resolved);
    return resolved;
  };
  const placeOf = (path: BytePath): BytePath => {
    const parent = directoryOf(parentOf(path));
    return parent === '' ? baseNameOf(path) : `${parent}/${baseNameOf(path)}`;
  };
  const clean = (entry: Entry): Entry => withAttributes(entry, (name) => isSettable(kind, name));

  function* parents(place: BytePath): Generator<OverlayEntry> {
    const parent = parentOf(place);
    if (made.has(parent)) return;
    yield* parents(parent);
    made.add(parent);
    const entry = merged.stat(parent);
    if (entry?.type === 'directory') yield { entry: clean({ ...entry, path: parent }) };
  }
  function* opaque(place: BytePath): Generator<OverlayEntry> {
    if (place === '') {
      yield* opaqueRoot();
      return;
    }
    const entry = merged.stat(place);
    opaques.add(place);
    if (entry?.type !== 'directory') return;
    yield* parents(place);
    made.add(place);
    yield { entry: opaqueEntry(clean({ ...entry, path: place }), kind) };
  }
  /** Overlayfs does not look for the mark on the root of a layer: what it hides is hidden name by name. */
  function* opaqueRoot(): Generator<OverlayEntry> {
    for (const name of lower.list('')) {
      if (merged.stat(name) === undefined) yield { entry: whiteoutEntry(name) };
      else if (lower.stat(name)?.type === 'directory') yield* opaque(name);
    }
  }
  function* whiteout(place: BytePath): Generator<OverlayEntry> {
    const survivor = merged.stat(place);
    if (survivor?.type === 'directory') yield* opaque(place);
    // A name that the layer itself adds again is simply replaced by that entry.
    else if (survivor === undefined && lower.stat(place) !== undefined) yield { entry: whiteoutEntry(place) };
  }
  function* hardLink(place: BytePath, { entry }: TarEntry): Generator<OverlayEntry> {
    const target = placeOf(entry.linkTarget ?? '');
    files.add(place);
    if (files.has(target) && merged.linkId(target) === merged.linkId(place)) {
      yield { entry: { ...entry, path: place, linkTarget: target } };
      return;
    }
    const file = merged.stat(place);
    if (file !== undefined) yield { entry: clean({ ...file, path: place }), copyFrom: place };
  }
  function* member(place: BytePath, source: TarEntry): Generator<OverlayEntry> {
    const { entry } = source;
    const final = merged.stat(place);
    if (entry.type === 'hardlink') {
      yield* hardLink(place, source);
    } else if (final?.type !== entry.type) {
      // A later member of the same name is of another type: that one counts.
    } else if (entry.type === 'directory') {
      made.add(place);
      const directory = clean({ ...entry, path: place });
      yield { entry: opaques.has(place) ? opaqueEntry(directory, kind) : directory };
    } else if (kind !== 'root' && (entry.type === 'char' || entry.type === 'block')) {
      // Only real root makes devices. What a lower layer has at this name must not show through.
      if (lower.stat(place) !== undefined) yield { entry: whiteoutEntry(place) };
    } else {
      files.add(place);
      yield { entry: clean({ ...entry, path: place }), member: source };
    }
  }
  return { directoryOf, placeOf, parents, opaque, whiteout, member };
}
