import type { BlobId, Digest, RunContext } from '../core/index.ts';
import type { Descriptor, LayerRef } from '../oci/index.ts';
import type { CompressOptions } from '../outputs/index.ts';
import type { FetchedManifest } from '../registry/index.ts';
import type { Store } from '../store/index.ts';

/** Where a shared cache lies. */
export type CacheLocation =
  /** An image manifest under a tag of its own, or an image that carries its cache (`inline`). */
  | { readonly kind: 'registry'; readonly reference: string }
  /** An OCI image layout; `tag` tells several caches of one directory apart. */
  | { readonly kind: 'local'; readonly directory: string; readonly tag?: string }
  /** Objects of a bucket of S3, or of any store that speaks its protocol. */
  | ({ readonly kind: 's3' } & S3Location)
  /** Entries of the cache service of GitHub Actions. */
  | ({ readonly kind: 'gha' } & GhaLocation);

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

/** Which cache of a repository's cache service, and who asks. */
export interface GhaLocation {
  /** Tells several caches of one repository apart; default `zlayer`. */
  readonly scope?: string;
  /** Default the variable ACTIONS_RESULTS_URL, which runners set. */
  readonly url?: string;
  /** Default the variable ACTIONS_RUNTIME_TOKEN. */
  readonly token?: string;
}

/** A shared cache that a build leaves behind: at a place of its own, or in the config of the image itself. */
export type CacheTarget = (CacheLocation | { readonly kind: 'inline' }) & {
  /** `min`: the steps whose layers the image has. `max`: all steps; not for `inline`. */
  readonly mode: 'min' | 'max';
  /** A cache that cannot be written is a warning instead of an error. */
  readonly ignoreError?: boolean;
  /** Default gzip. */
  readonly compression?: 'gzip' | 'zstd' | 'none';
  readonly compressionLevel?: number;
  /** Also layers that came compressed in another way, such as those of another cache. */
  readonly forceCompression?: boolean;
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
  /** As of its storage. */
  readonly origin: string | undefined;
  find(key: string): CacheRecord | undefined;
  holds(blob: BlobId): boolean;
  /** The bytes of a layer that the cache holds. They are not verified here. */
  open(blob: BlobId, context: RunContext): AsyncIterable<Uint8Array>;
}

/** A cache as an image that is to be written: its documents and layers are read through `store`. */
export interface OutgoingCache extends CompressOptions {
  readonly store: Store;
  readonly descriptor: Descriptor;
}

/** Reads and writes the one manifest of a cache, and the blobs that it names. */
export interface CacheStorage {
  /** What messages call it. */
  readonly name: string;
  /** The manifest or index of the cache, or one that an index names. Undefined when nothing is there. */
  readManifest(context: RunContext, digest?: Digest): Promise<FetchedManifest | undefined>;
  /** The bytes are not verified here. @throws BuildError `BLOB_MISSING` when it is not there. */
  openBlob(blob: BlobId, context: RunContext): AsyncIterable<Uint8Array>;
  /**
   * Replaces what the cache was, in one step, after all that it names. What is there already is not sent, nor read.
   *
   * @throws BuildError `REGISTRY_*`, `OUTPUT_FAILED`, `UNSUPPORTED`, and what reading through the store throws.
   */
  write(cache: OutgoingCache, context: RunContext): Promise<void>;
  /** Makes ready what a later `write` needs of some layers; nothing of it can be seen. What is there already is not read. */
  stage(cache: OutgoingCache, context: RunContext): Promise<void>;
  /** The reference of an image whose repository has the cache's layers, where a registry keeps it. */
  readonly origin: string | undefined;
  /** Tells before anything is asked that the sign-in is missing. @throws BuildError `CREDENTIALS_INVALID`. */
  check(): void;
  close(): Promise<void>;
}
