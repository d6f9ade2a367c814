import type { BlobId, BlobSink, BlobSource, Digest } from '../core/index.ts';
import type { Descriptor } from '../oci/index.ts';

/**
 * The image store: an OCI image layout (`oci-layout`, `index.json`, `blobs/`) with our own folders beside it. Several
 * processes of one user may use a store at once. Every write appears whole or not at all.
 */
export interface Store {
  /** Absolute path. */
  readonly root: string;
  readonly blobs: BlobStore;
  readonly images: ImageStore;
  readonly records: RecordStore;
  /** A folder of keyed entries that garbage collection knows: `snapshots`, `tocs`, `cache-mounts`, `downloads`, … */
  area(name: AreaName): Area;
  /** Protects what a running build uses against garbage collection, in every process, until it is released or its process dies. */
  openLease(): Promise<Lease>;
  /** Makes the given blobs durable (fsync), so that a reference set afterwards survives a power cut. */
  sync(blobs: readonly BlobId[]): Promise<void>;
  /** A fresh private directory below the store's root for work in progress; swept when its process is gone. */
  makeTempDir(prefix: string): Promise<string>;
  usage(): Promise<readonly UsageItem[]>;
  prune(options: PruneOptions): Promise<PruneResult>;
}

/** `snapshots` may hold files of mapped users: they are removed through `StoreOptions.removeTree`. */
export type AreaName = 'snapshots' | 'tocs' | 'cache-mounts' | 'downloads' | 'trees' | 'stat-cache';

export interface StoreOptions {
  /** Default: `resolveDataDir(process.env, uid)`. */
  readonly root: string;
  /** Removes a tree that may hold files of other users of a user namespace. Default: `fs.rm`, recursive. */
  readonly removeTree?: (path: string) => Promise<void>;
}

export interface BlobStore extends BlobSource, BlobSink {
  /** Size of a blob that is here; undefined when it is not. */
  stat(digest: Digest): Promise<BlobId | undefined>;
  /** Where a blob lies (whether or not it is there): `blobs/<algorithm>/<hex>`. */
  path(digest: Digest): string;
  /** The whole of a small blob, verified. @throws BuildError `BLOB_MISSING`, `BLOB_DIGEST_MISMATCH`. */
  read(blob: BlobId): Promise<Buffer>;
  /** Writes a small blob that is in memory. */
  put(bytes: Uint8Array): Promise<BlobId>;
  /** Starts a blob whose digest is not known yet. */
  ingest(): Promise<Ingest>;
}

/** A blob being written. Exactly one of `commit` and `abort` ends it. */
export interface Ingest {
  /** Appends and hashes. Synchronous: made for large chunks (64 KiB and more). */
  write(bytes: Uint8Array): void;
  /** Publishes under its digest. @throws BuildError `BLOB_DIGEST_MISMATCH` when `expected` differs. */
  commit(expected?: BlobId): Promise<BlobId>;
  abort(): Promise<void>;
}

export interface StoredImage {
  /** Full reference (`formatReference`); undefined for an image without a name. */
  readonly reference: string | undefined;
  /** Manifest or index. */
  readonly descriptor: Descriptor;
  /** Milliseconds since the epoch. */
  readonly updatedMs: number;
}

/** What a word for an image matched. */
export interface FoundImage {
  /** The entry of the store. */
  readonly image: StoredImage;
  /** What is meant: the entry's own manifest or index, or an image of that index. */
  readonly descriptor: Descriptor;
  /** True when the word was a name, false when it was an id or a digest. */
  readonly byName: boolean;
}

/** Names of images, kept in `index.json` as `org.opencontainers.image.ref.name`, where skopeo finds them. */
export interface ImageStore {
  get(reference: string): Promise<StoredImage | undefined>;
  list(): Promise<readonly StoredImage[]>;
  /**
   * The image that a name, `name@digest`, an image id (config digest) or a manifest digest means; ids may be shortened. An
   * image of an index is found by its own digests.
   *
   * @throws BuildError `IMAGE_NOT_FOUND`, with the nearest name; `REFERENCE_INVALID`; `USAGE` for an ambiguous id.
   */
  find(word: string): Promise<FoundImage>;
  /** Sets or moves names, all in one atomic write. An image that loses its last name stays, nameless, until pruned. */
  set(references: readonly string[], descriptor: Descriptor): Promise<void>;
  /**
   * Points a name that still means `from` at something else, in one step that no other process comes between; `from` goes
   * unless it has another name. False when the name means something else by now, or nothing.
   */
  replace(reference: string, from: Digest, descriptor: Descriptor): Promise<boolean>;
  /** True when the name was there. */
  remove(reference: string): Promise<boolean>;
  /**
   * Takes away what a word (as of `find`) names: a name alone; of an id the only name, or all of them with `all`. Gives the
   * names that are gone, sorted.
   *
   * @throws BuildError as `find`, and `USAGE` for an id with several names, or none.
   */
  untag(word: string, options?: { readonly all?: boolean }): Promise<readonly string[]>;
}

/** JSON documents by namespace and key. Reading one marks it as used. A document that cannot be parsed counts as absent. */
export interface RecordStore {
  get<T>(namespace: RecordNamespace, key: string): Promise<T | undefined>;
  put(namespace: RecordNamespace, key: string, value: unknown): Promise<void>;
}

/**
 * `cache`: step results by cache key; `slots`: last inputs of a step, to explain a miss; `compressed`: blobs made of a
 * layer; `origins`: repositories that hold a blob; `loaded`: images that were handed to an engine; `http`: validators of downloads; `git`: refs.
 */
export type RecordNamespace = 'cache' | 'slots' | 'compressed' | 'origins' | 'loaded' | 'http' | 'git';

/** Directories or files by key. An entry appears whole or not at all. */
export interface Area {
  readonly name: AreaName;
  /** Where an entry lies, whether or not it is there. */
  path(key: string): string;
  /** True when it is there; marks it as used. */
  has(key: string): Promise<boolean>;
  /**
   * Makes an entry unless it is there: `fill` writes into a fresh path (which does not exist yet), which is then renamed.
   * Two makers at once both succeed; one result is kept.
   */
  create(key: string, fill: (temporaryPath: string) => Promise<void>): Promise<string>;
  /** Renamed to the trash at once, deleted later. */
  remove(key: string): Promise<void>;
  list(): Promise<readonly string[]>;
}

export interface Lease {
  readonly id: string;
  /** Protects a blob and tells whether it is here. */
  pinBlob(blob: BlobId): Promise<boolean>;
  /** Protects an area's entry and tells whether it is here. */
  pinEntry(area: AreaName, key: string): Promise<boolean>;
  release(): Promise<void>;
}

/** One line of `zlayer du`. */
export interface UsageItem {
  readonly kind: 'image' | 'layer' | 'blob' | 'record' | AreaName;
  /** Digest or key. */
  readonly id: string;
  readonly sizeBytes: number;
  readonly lastUsedMs: number;
  /** Reachable from a named image, or leased. */
  readonly inUse: boolean;
}

export interface PruneOptions {
  /** Also images without a name, and the whole build cache; otherwise only what no cache record needs. */
  readonly all?: boolean;
  /** Keep what was used after this moment. */
  readonly unusedSinceMs?: number;
  readonly kinds?: ReadonlyArray<UsageItem['kind']>;
  /** Hard bound: least recently used entries go until the store is at most this large. */
  readonly maxUsedBytes?: number;
  readonly dryRun?: boolean;
}

export interface PruneResult {
  readonly removed: readonly UsageItem[];
  readonly freedBytes: number;
}
