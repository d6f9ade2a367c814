/** Where overlayfs keeps its marks: `user` in a user namespace (mount option `userxattr`), else `trusted`. */
export type OverlayXattrs = 'trusted' | 'user';

const OVERLAY = /^(?:trusted|user)\.overlay\./;
const CAPABILITY = 'security.capability';
const CAPABILITY_REVISION_3 = 3;
const CAPABILITY_V2_BYTES = 20;

type Xattrs = ReadonlyMap<string, Uint8Array>;

/** The name of the attribute that makes a directory of an overlay layer opaque (kernel, filesystems/overlayfs). */
export function opaqueXattr(kind: OverlayXattrs): string {
  return `${kind}.overlay.opaque`;
}

/** True when overlayfs hides what lower directories hold. */
export function isOverlayOpaque(xattrs: Xattrs | undefined): boolean {
  if (xattrs === undefined) return false;
  return (['trusted', 'user'] as const).some((kind) => Buffer.from(xattrs.get(opaqueXattr(kind)) ?? []).equals(OPAQUE));
}

export const OPAQUE = Buffer.from('y');

/** Attributes without those of overlayfs itself: a layer must neither carry them out nor bring them in. */
export function withoutOverlayXattrs(xattrs: Xattrs | undefined): Xattrs | undefined {
  return filterXattrs(xattrs, (name) => !OVERLAY.test(name));
}

/**
 * The attributes of a changed file that belong into a layer: file capabilities and the user's own, as buildah keeps them
 * (BuildKit keeps capabilities alone). Labels of security modules and ACL are the host's business.
 */
export function layerXattrs(xattrs: Xattrs | undefined): Xattrs | undefined {
  const kept = filterXattrs(xattrs, (name) => name === CAPABILITY || (name.startsWith('user.') && !OVERLAY.test(name)));
  const capability = kept?.get(CAPABILITY);
  if (kept === undefined || capability === undefined) return kept;
  return new Map([...kept, [CAPABILITY, withoutNamespaceRoot(capability)]]);
}

function filterXattrs(xattrs: Xattrs | undefined, keep: (name: string) => boolean): Xattrs | undefined {
  const kept = new Map([...(xattrs ?? [])].filter(([name]) => keep(name)));
  return kept.size === 0 ? undefined : kept;
}

/** Revision 3 binds capabilities to a host's user namespace; an image means them for its own (capabilities(7)). */
function withoutNamespaceRoot(value: Uint8Array): Uint8Array {
  if (value[3] !== CAPABILITY_REVISION_3 || value.length <= CAPABILITY_V2_BYTES) return value;
  const version2 = Uint8Array.from(value.subarray(0, CAPABILITY_V2_BYTES));
  version2[3] = 2;
  return version2;
}
