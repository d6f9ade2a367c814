import type { Descriptor } from '../oci/index.ts';
import { MEDIA_TYPES } from '../oci/index.ts';
import type { NamedImage } from './types.ts';

/** Where the image-spec (annotations.md) has an image's name in a layout. */
export const REF_NAME = 'org.opencontainers.image.ref.name';
/** How containerd and docker name images in a layout; `ref.name` may be a bare tag there. */
const CONTAINERD_NAME = 'io.containerd.image.name';

/** The bytes of `oci-layout`. */
export const LAYOUT_FILE = Buffer.from('{"imageLayoutVersion":"1.0.0"}');

/** Entries for `index.json`: one for every name, one without for an image that has none. */
export function layoutEntries(images: readonly NamedImage[]): readonly Descriptor[] {
  return images.flatMap(({ descriptor, references }) => {
    if (references.length === 0) return [descriptor];
    return references.map((reference) => ({
      ...descriptor,
      annotations: { ...descriptor.annotations, [REF_NAME]: reference, [CONTAINERD_NAME]: reference },
    }));
  });
}

/** An entry for `index.json` with a name as it is given: a tag alone, as skopeo writes it, or a full reference. */
export function layoutEntry(descriptor: Descriptor, name: string | undefined): Descriptor {
  const { annotations: _, ...entry } = descriptor;
  if (name === undefined) return entry;
  const isReference = /^[^/]+[.:][^/]*\/.+[:@]/.test(name);
  return { ...entry, annotations: { [REF_NAME]: name, ...(isReference ? { [CONTAINERD_NAME]: name } : {}) } };
}

/** The name of an entry of a layout's index: containerd's, which is always a full one, before the image-spec's. */
export function layoutName(entry: Descriptor): string | undefined {
  return entry.annotations?.[CONTAINERD_NAME] ?? entry.annotations?.[REF_NAME];
}

/** The bytes of `index.json`. */
export function layoutIndex(manifests: readonly Descriptor[]): Buffer {
  return Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests }));
}
