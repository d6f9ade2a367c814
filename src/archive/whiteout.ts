import { type BytePath, baseNameOf, parentOf } from '../core/index.ts';

const PREFIX = '.wh.';
const OPAQUE_NAME = '.wh..wh..opq';
const RESERVED = /(?:^|\/)\.wh\./;

/** What the name of a layer's member means (image-spec, layer.md, "Whiteouts"). */
export type WhiteoutName =
  | { readonly kind: 'whiteout'; readonly path: BytePath }
  | { readonly kind: 'opaque'; readonly path: BytePath }
  /** AUFS's own bookkeeping (`.wh..wh.aufs`, `.wh..wh.plnk`, …), which every reader skips. */
  | { readonly kind: 'reserved' };

/** Reads a member's path as a whiteout; undefined for an ordinary name. */
export function parseWhiteoutName(path: BytePath): WhiteoutName | undefined {
  const name = baseNameOf(path);
  if (!name.startsWith(PREFIX)) return undefined;
  const parent = parentOf(path);
  if (name === OPAQUE_NAME) return { kind: 'opaque', path: parent };
  const hidden = name.slice(PREFIX.length);
  if (hidden === '' || hidden.startsWith(PREFIX)) return { kind: 'reserved' };
  return { kind: 'whiteout', path: parent === '' ? hidden : `${parent}/${hidden}` };
}

/** The member that hides `path` of lower layers. */
export function whiteoutPathOf(path: BytePath): BytePath {
  const parent = parentOf(path);
  return `${parent === '' ? '' : `${parent}/`}${PREFIX}${baseNameOf(path)}`;
}

/** The member that hides what lower layers hold in the directory `path`. */
export function opaquePathOf(path: BytePath): BytePath {
  return `${path === '' ? '' : `${path}/`}${OPAQUE_NAME}`;
}

/** True when a layer cannot hold this path as content: some component reads as a whiteout. */
export function isReservedPath(path: BytePath): boolean {
  return path.includes(PREFIX) && RESERVED.test(path);
}
