import {
  type BlobId,
  type BlobSource,
  BuildError,
  type BuildEvent,
  digestOf,
  type RunContext,
} from '../../src/core/index.ts';
import type { PullSink } from '../../src/registry/index.ts';

/** Blobs in memory: a sink and a source of pulls and pushes. */
export interface MemoryBlobs extends PullSink, BlobSource {
  readonly blobs: Map<string, Buffer>;
  put(bytes: Uint8Array | string): BlobId;
}

export function createMemoryBlobs(): MemoryBlobs {
  const blobs = new Map<string, Buffer>();
  const get = (blob: BlobId): Buffer => {
    const bytes = blobs.get(blob.digest);
    if (bytes === undefined) throw new BuildError('BLOB_MISSING', `${blob.digest} is not here.`);
    return bytes;
  };
  return {
    blobs,
    put: (bytes) => {
      const buffer = Buffer.from(bytes);
      const digest = digestOf(buffer);
      blobs.set(digest, buffer);
      return { digest, sizeBytes: buffer.length };
    },
    has: async (blob) => blobs.has(blob.digest),
    stat: async (digest) => {
      const bytes = blobs.get(digest);
      return bytes === undefined ? undefined : { digest, sizeBytes: bytes.length };
    },
    read: async (blob) => get(blob),
    write: async (blob, bytes) => {
      const chunks: Uint8Array[] = [];
      for await (const chunk of bytes) chunks.push(chunk);
      const joined = Buffer.concat(chunks);
      if (digestOf(joined) !== blob.digest) throw new Error(`the client gave out wrong bytes for ${blob.digest}`);
      blobs.set(blob.digest, joined);
    },
    async *open(blob, options) {
      const bytes = get(blob);
      for (let at = options?.offset ?? 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536);
    },
  };
}

/** A context that records its events. */
export function createTestContext(): RunContext & { readonly events: BuildEvent[]; readonly abort: () => void } {
  const controller = new AbortController();
  const events: BuildEvent[] = [];
  return {
    signal: controller.signal,
    abort: () => controller.abort(),
    emit: (event) => {
      events.push(event);
    },
    events,
  };
}
