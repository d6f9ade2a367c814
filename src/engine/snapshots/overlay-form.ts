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

/** Whether an attribute of a layer can be given to a file here. */
export function isSettable(kind: WorkingKind, name: string): boolean {
  return kind === 'root' || name.startsWith('user.') || name === CAPABILITY;
}

const CAPABILITY = 'security.capability';
const CAPABILITY_REVISION_3 = 3;
const CAPABILITY_V2_BYTES = 20;

/**
 * The entry with the attributes that belong into a layer: file capabilities and the users' own, as buildah keeps them
 * (BuildKit keeps capabilities alone). Labels of security modules and ACL are the host's business.
 */
export function withPortableAttributes(entry: Entry): Entry {
  const kept = withAttributes(entry, (name) => name === CAPABILITY || name.startsWith('user.'));
  const capability = kept.xattrs?.get(CAPABILITY);
  if (capability === undefined) return kept;
  return { ...kept, xattrs: new Map([...(kept.xattrs ?? []), [CAPABILITY, withoutNamespaceRoot(capability)]]) };
}

/** Revision 3 binds capabilities to a host's user namespace; an image means them for its own (capabilities(7)). */
function withoutNamespaceRoot(value: Uint8Array): Uint8Array {
  if (value[3] !== CAPABILITY_REVISION_3 || value.length <= CAPABILITY_V2_BYTES) return value;
  const version2 = Uint8Array.from(value.subarray(0, CAPABILITY_V2_BYTES));
  version2[3] = 2;
  return version2;
}
