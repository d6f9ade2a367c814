import { createReadStream, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BuildError, type Digest, digestHex } from '../../core/index.ts';
import { parseIndex } from '../../oci/index.ts';
import {
  type BuildService,
  CHUNK_BYTES,
  type ContentChunkSchema,
  type MessageInput,
  type ServiceImplementation,
} from '../../rpc/index.ts';
import { leftCache } from '../request/read-caches.ts';
import { type DaemonState, identityOf } from './daemon-state.ts';

type Methods = Pick<ServiceImplementation<typeof BuildService>, 'readCache'>;
type Chunk = MessageInput<typeof ContentChunkSchema>;

/** The method that brings caches to the client whose build has left them. */
export function createCacheMethods(state: DaemonState): Methods {
  return {
    async *readCache({ requestId, want, ...left }, call) {
      const build = state.builds.get(identityOf(call), requestId);
      const directory = leftCache(build.cacheDirectory, left);
      const end = state.activity.begin('export');
      // Nothing of the build goes as long as somebody reads.
      const leave = build.follow();
      try {
        const wanted = want.length === 0 ? [manifestOf(directory)] : want.map(toHex);
        for (const hex of wanted) {
          for await (const chunk of chunksOf(directory, hex)) {
            if (call.signal.aborted || state.stopping.aborted) return;
            yield chunk;
          }
        }
      } finally {
        leave(false);
        end();
      }
    },
  };
}

function toHex(digest: Uint8Array): string {
  if (digest.length === 32) return Buffer.from(digest).toString('hex');
  throw new BuildError('USAGE', 'A blob that is wanted of a cache has no sha256 digest.');
}

/** The one image of the layout. */
function manifestOf(directory: string): string {
  const index = join(directory, 'index.json');
  const [entry] = existsSync(index) ? parseIndex(readFileSync(index)).manifests : [];
  if (entry !== undefined) return digestHex(entry.digest as Digest);
  throw new BuildError('IMAGE_NOT_FOUND', 'The build has left no such cache for its client.', {
    hint: 'A cache is there once its build has ended well, and goes with the build.',
  });
}

async function* chunksOf(directory: string, hex: string): AsyncGenerator<Chunk> {
  const path = join(directory, 'blobs/sha256', hex);
  if (!existsSync(path)) throw new BuildError('BLOB_MISSING', `The cache has no blob sha256:${hex}.`);
  const digest = Buffer.from(hex, 'hex');
  let offset = 0n;
  let before: Buffer = Buffer.alloc(0);
  for await (const data of createReadStream(path, { highWaterMark: CHUNK_BYTES }) as AsyncIterable<Buffer>) {
    if (before.length > 0) yield { digest, offset, data: before, last: false };
    offset += BigInt(before.length);
    before = data;
  }
  yield { digest, offset, data: before, last: true };
}
