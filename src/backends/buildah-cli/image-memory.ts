import type { Digest } from '../../core/index.ts';
import type { ImageConfig, Manifest } from '../../oci/index.ts';

/** An image of buildah's storage. */
export interface StoredImage {
  /** buildah's id: the hex digits of the config's digest. */
  readonly id: string;
  /** Of the manifest as it is stored. */
  readonly digest: Digest;
  readonly manifest: Manifest;
  readonly manifestText: string;
  readonly config: ImageConfig;
}

/** Images that were read, by id and digest: what those name never changes, and reading one takes a call. Grows. */
export type ImageMemory = Map<string, StoredImage>;
