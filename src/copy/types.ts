import type { BlobId, BlobSource, Platform, Reference } from '../core/index.ts';
import type { Descriptor } from '../oci/index.ts';
import type { RegistryClient } from '../registry/index.ts';
import type { Store } from '../store/index.ts';

/**
 * Where an image is, or is to be. `name` is the image's name in a layout or an archive, as it is written there; without one
 * it is the only image.
 */
export type ImagePlace =
  | { readonly kind: 'registry'; readonly reference: Reference }
  /** In the local store: as a source any word that names an image there, as a destination the name that it gets. */
  | { readonly kind: 'store'; readonly name: string }
  /** A directory with an OCI image layout. */
  | { readonly kind: 'oci'; readonly path: string; readonly name?: string | undefined }
  /** A tar; `-` is standard input or output. Reading tells the two forms apart by itself. */
  | { readonly kind: 'oci-archive' | 'docker-archive'; readonly path: string; readonly name?: string | undefined };

/** What a copy works with; each part is made when a side needs it. Both sides may have the same registry client. */
export interface CopyDeps {
  /** For a side that is the store, and for archives that are read. */
  readonly store: () => Promise<Store>;
  readonly source: () => Promise<RegistryClient>;
  readonly destination: () => Promise<RegistryClient>;
}

export interface CopyRequest {
  readonly source: ImagePlace;
  readonly destination: ImagePlace;
  /** The image of one platform of an index. Default: the index with all that it lists. */
  readonly platform?: Platform | undefined;
  /** Also what refers to the image in its registry (signatures, attestations); between registries alone. Default no. */
  readonly referrers?: boolean | undefined;
}

/** What a copy did. Blobs are configs and layers for a registry, and manifests as well for other places. */
export interface CopiedImage {
  /** What was copied; the same bytes, and so the same digest, on both sides. */
  readonly descriptor: Descriptor;
  readonly sent: number;
  /** There already, and not read. */
  readonly existed: number;
  /** Taken over within the registry from the repository of the source. */
  readonly mounted: number;
  /** Manifests that refer to the image. */
  readonly referrers: number;
}

/** An image that is about to be copied. */
export interface ImageSource {
  /** For messages. */
  readonly name: string;
  readonly root: Descriptor;
  /** Every blob and document. What is read from its start is verified: wrong bytes never come to an end. */
  readonly blobs: BlobSource;
  /** Full references whose repositories hold a blob: a registry may mount it from there. */
  readonly originsOf: (blob: BlobId) => readonly string[];
  close(): Promise<void>;
}
