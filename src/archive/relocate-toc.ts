import { type BytePath, baseNameOf, parentOf } from '../core/index.ts';
import type { Toc, TocNode } from './toc.ts';
import { type ContentPlace, createTocBuilder, type TocBuilder } from './toc-builder.ts';

/**
 * The same layer with every member at the place where it comes to lie. Needed when a layer writes through a symlink, its
 * own or one of a lower layer. `resolveDirectory` says where a directory's path really leads.
 */
export function relocateToc(toc: Toc, resolveDirectory: (path: BytePath) => BytePath): Toc {
  const directories = new Map<BytePath, BytePath>([['', '']]);
  const directoryOf = (path: BytePath): BytePath => {
    const known = directories.get(path);
    if (known !== undefined) return known;
    const resolved = resolveDirectory(path);
    directories.set(path, resolved);
    return resolved;
  };
  const placeOf = (path: BytePath): BytePath => {
    const parent = directoryOf(parentOf(path));
    return parent === '' ? baseNameOf(path) : `${parent}/${baseNameOf(path)}`;
  };

  const builder = createTocBuilder();
  const firstNames = new Map<number, BytePath>();
  for (const node of toc.walk()) {
    const path = toc.path(node);
    if (toc.isWhiteout(node)) builder.whiteout(placeOf(path));
    if (toc.isOpaque(node)) builder.opaque(directoryOf(path));
    if (!toc.isDefined(node)) continue;
    const group = toc.linkGroup(node);
    const first = group === 0 ? undefined : firstNames.get(group);
    if (group !== 0 && first === undefined) firstNames.set(group, placeOf(path));
    addRelocated(builder, { toc, node, place: placeOf(path), first, placeOf });
  }
  return builder.build();
}

interface Relocation {
  readonly toc: Toc;
  readonly node: TocNode;
  readonly place: BytePath;
  /** Of a further name of a file: its first name, relocated. */
  readonly first: BytePath | undefined;
  readonly placeOf: (path: BytePath) => BytePath;
}

function addRelocated(builder: TocBuilder, { toc, node, place, first, placeOf }: Relocation): void {
  const entry = toc.entry(node);
  if (first !== undefined) {
    builder.add({ ...entry, path: place, type: 'hardlink', linkTarget: first }, { offset: 0 });
  } else if (entry.type === 'hardlink') {
    builder.add({ ...entry, path: place, linkTarget: placeOf(entry.linkTarget ?? '') }, { offset: 0 });
  } else {
    builder.add({ ...entry, path: place }, placeInArchive(toc, node));
  }
}

function placeInArchive(toc: Toc, node: TocNode): ContentPlace {
  const content = toc.content(node, '');
  if (content.kind === 'sparse') return { offset: 0, segments: content.segments };
  return { offset: content.kind === 'range' ? content.offset : 0 };
}
