import type { Entry } from '../../archive/index.ts';
import type { WorkingKind } from '../exec/namespace.ts';

/** How overlayfs marks directories: with `trusted` attributes for root, with `user` ones in a user namespace. */
const PREFIXES: Readonly<Record<WorkingKind, string>> = { root: 'trusted.overlay.', userns: 'user.overlay.' };
const OVERLAY_ATTRIBUTE = /^(trusted|user)\.overlay\./;
const YES = Buffer.from('y');

/** The entry of a name that is deleted (kernel, overlayfs.rst, "whiteouts and opaque directories"). */
export function whiteoutEntry(path: string): Entry {
  const device = { major: 0, minor: 0 };
  return { path, type: 'char', mode: 0, uid: 0, gid: 0, sizeBytes: 0, mtime: 0, device };
}

export function isWhiteoutEntry(entry: Entry): boolean {
  return entry.type === 'char' && entry.device?.major === 0 && entry.device.minor === 0;
}

/** The directory, marked as hiding what lower layers hold in it. */
export function opaqueEntry(entry: Entry, kind: WorkingKind): Entry {
  return { ...entry, xattrs: new Map([...(entry.xattrs ?? []), [`${PREFIXES[kind]}opaque`, YES]]) };
}

export function isOpaqueEntry(entry: Entry): boolean {
  const { xattrs } = entry;
  if (entry.type !== 'directory' || xattrs === undefined) return false;
  return Object.values(PREFIXES).some((prefix) => xattrs.get(`${prefix}opaque`)?.[0] === YES[0]);
}

/** The entry with the attributes that `keep` accepts; overlay's own never stay. */
export function withAttributes(entry: Entry, keep: (name: string) => boolean): Entry {
  if (entry.xattrs === undefined) return entry;
  const { xattrs, ...rest } = entry;
  const kept = [...xattrs].filter(([name]) => !OVERLAY_ATTRIBUTE.test(name) && keep(name));
  return kept.length === 0 ? rest : { ...rest, xattrs: new Map(kept) };
}
