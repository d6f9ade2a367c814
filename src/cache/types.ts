import type { BlobId, RunContext } from '../core/index.ts';
import type { LayerRef } from '../oci/index.ts';
import type { FetchedManifest } from '../registry/index.ts';

/** Where a shared cache lies. */
export type CacheLocation =
  /** An image manifest under a tag of its own. */
  | { readonly kind: 'registry'; readonly reference: string }
  /** An OCI image layout; `tag` tells several caches of one directory apart. */
  | { readonly kind: 'local'; readonly directory: string; readonly tag?: string };

/** A shared cache that a build leaves behind. */
export type CacheTarget = CacheLocation & {
  /** `min`: the steps whose layers the image has. `max`: all steps. */
  readonly mode: 'min' | 'max';
  /** A cache that cannot be written is a warning instead of an error. */
  readonly ignoreError?: boolean;
  /** Default gzip. */
  readonly compression?: 'gzip' | 'zstd' | 'none';
  readonly compressionLevel?: number;
};

/** The result of a step as it travels: under its cache key, the whole stack of layers that it ends with. */
export interface CacheRecord {
  readonly key: string;
  /** Lowest first. */
  readonly layers: readonly LayerRef[];
  /** When the step really ran. */
  readonly createdMs: number;
}

/** A shared cache that was read. Its layers are fetched when something needs them. */
export interface ImportedCache {
  /** What messages call it. */
  readonly name: string;
  find(key: string): CacheRecord | undefined;
  /** The bytes of a layer that no registry has; undefined when the cache does not hold it. */
  open(blob: BlobId, context: RunContext): AsyncIterable<Uint8Array> | undefined;
}

/** Reads and writes the one manifest of a cache, and the blobs that it names. */
export interface CacheStorage {
  /** What messages call it. */
  readonly name: string;
  /** Undefined when nothing is there. */
  readManifest(context: RunContext): Promise<FetchedManifest | undefined>;
  openBlob(blob: BlobId, context: RunContext): AsyncIterable<Uint8Array>;
  holds(blob: BlobId, context: RunContext): Promise<boolean>;
  /** The reference of an image whose repository has the cache's layers, where a registry keeps it. */
  readonly origin: string | undefined;
}
