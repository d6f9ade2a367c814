import type { Digest } from './digest.ts';

/** What identifies a blob: its digest and exact size (image-spec, descriptor.md). */
export interface BlobId {
  readonly digest: Digest;
  readonly sizeBytes: number;
}

/** Where blobs are read from: a store, an OCI layout, a registry. */
export interface BlobSource {
  /**
   * Opens a blob from `offset` (bytes, default 0). The bytes are not verified here unless the implementation says so.
   *
   * @throws BuildError `BLOB_MISSING` when the source does not hold it.
   */
  open(blob: BlobId, options?: { readonly offset?: number }): AsyncIterable<Uint8Array>;
}

/** Where blobs are written to. Writing a blob that is there already is a no-op, and safe from several writers at once. */
export interface BlobSink {
  has(blob: BlobId): Promise<boolean>;
  /**
   * Writes a blob; it appears whole or not at all.
   *
   * @throws BuildError `BLOB_DIGEST_MISMATCH` when the bytes are not those that `blob` names; nothing is kept then.
   */
  write(blob: BlobId, bytes: AsyncIterable<Uint8Array>): Promise<void>;
}
