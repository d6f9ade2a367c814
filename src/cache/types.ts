import type { BlobId, RunContext } from '../core/index.ts';
import type { LayerRef } from '../oci/index.ts';
import type { FetchedManifest } from '../registry/index.ts';

/** Where a shared cache lies. */
export type CacheLocation =
  /** An image manifest under a tag of its own. */
  | { readonly kind: 'registry'; readonly reference: string }
  /** An OCI image layout; `tag` tells several caches of one directory apart. */
  | { readonly kind: 'local'; readonly directory: string; readonly tag?: string }
  /** Objects of a bucket of S3, or of any store that speaks its protocol. */
  | ({ readonly kind: 's3' } & S3Location);

/** Where in which S3 store, and who asks. */
export interface S3Location {
  readonly bucket: string;
  readonly region: string;
  /** Tells several caches of one bucket apart; default `latest`. */
  readonly name?: string;
  /** Before the names of all objects, such as `team/`; default empty. */
  readonly prefix?: string;
  /** Default Amazon's endpoint of the region. */
  readonly endpointUrl?: string;
  /** The bucket is part of the path, not of the host's name. */
  readonly usePathStyle?: boolean;
  /** Default the variables AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN. */
  readonly accessKeyId?: string;
  readonly secretAccessKey?: string;
  readonly sessionToken?: string;
}

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

/** The result of a step as it travels: under its cache keys, the whole stack of layers that it ends with. */
export interface CacheRecord {
  /** All that the step was looked up by, or could have been. */
  readonly keys: readonly string[];
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
