import type { BlobId, Digest } from '../core/index.ts';
import type { Store } from './types.ts';

/** What a store has beyond what lies in it. */
export interface BeyondStore {
  /** Small blobs in memory. */
  readonly documents?: ReadonlyMap<Digest, Uint8Array>;
  /** Brings a blob that the store lacks; it is in the store afterwards. Throws when it cannot be had. */
  readonly provide: (blob: BlobId) => Promise<void>;
}

/**
 * The same store, read as if it had more: documents that are not worth a file, and blobs that are fetched when something
 * opens them. What is not opened is not fetched; `has` tells of fetched ones alone.
 */
export function readThrough(store: Store, { documents, provide }: BeyondStore): Store {
  const { blobs } = store;
  return {
    ...store,
    blobs: {
      ...blobs,
      has: async (blob) => documents?.get(blob.digest)?.length === blob.sizeBytes || blobs.has(blob),
      open: async function* (blob, options) {
        const document = documents?.get(blob.digest);
        if (document !== undefined) {
          yield document.subarray(options?.offset ?? 0);
          return;
        }
        if (!(await blobs.has(blob))) await provide(blob);
        yield* blobs.open(blob, options);
      },
    },
  };
}
