import { type BlobId, type BlobSource, BuildError, digestOf } from '../../core/index.ts';
import type { CacheStorage, GhaLocation } from '../types.ts';
import { createGhaClient, type GhaClient, type GhaEntry } from './gha-client.ts';
import { readManifestObject, stageInStore, uploadImage } from './upload-image.ts';

/**
 * A cache in the cache service of GitHub Actions: an entry for each blob, and a new one for the manifest with every write,
 * since entries never change. What no build asks for is removed by the service after some days.
 *
 * @throws BuildError `USAGE` for a scope with a comma.
 */
export function createGhaStorage(location: GhaLocation): CacheStorage {
  const { scope = 'zlayer' } = location;
  if (/[,#]/.test(scope) || scope.length > 200) {
    throw new BuildError('USAGE', `"${scope}" is no scope of a cache: it has a comma, a number sign, or is too long.`);
  }
  let opened: GhaClient | undefined;
  const client = (): GhaClient => {
    opened ??= createGhaClient(location, { env: process.env });
    return opened;
  };
  const manifests = `zlayer-manifest-${scope}#`;
  return {
    name: `gha:${scope}`,
    origin: undefined,
    readManifest: async (context, digest) => {
      const entry =
        digest === undefined ? await client().find(manifests, context) : await findBlob(client(), digest, context);
      if (entry === undefined) return undefined;
      return readManifestObject(entry.read(context));
    },
    openBlob: async function* (blob, context) {
      const entry = await findBlob(client(), blob.digest, context);
      if (entry === undefined) {
        throw new BuildError('BLOB_MISSING', `The cache gha:${scope} has lost the blob ${blob.digest}.`);
      }
      yield* entry.read(context);
    },
    write: (cache, context) =>
      uploadImage(
        {
          hasBlob: async ({ digest }, inner) => (await findBlob(client(), digest, inner)) !== undefined,
          putBlob: (blob, source, inner) => client().save(blobKey(blob), { blob, source }, inner),
          putManifest: (bytes, inner) => {
            const blob = { digest: digestOf(bytes), sizeBytes: bytes.length };
            return client().save(`${manifests}${Date.now()}-${blob.digest.slice(-8)}`, inMemory(blob, bytes), inner);
          },
        },
        cache,
        context,
      ),
    // A store of objects has nobody who would remove what no manifest came to name.
    stage: stageInStore,
    check: () => {
      client();
    },
    close: async () => opened?.close(),
  };
}

function inMemory(blob: BlobId, bytes: Buffer): { readonly blob: BlobId; readonly source: BlobSource } {
  const open = async function* (): AsyncGenerator<Uint8Array> {
    yield bytes;
  };
  return { blob, source: { open } };
}

/** Keys match by their beginning; a whole digest is no beginning of another. */
function findBlob(
  client: GhaClient,
  digest: BlobId['digest'],
  context: Parameters<GhaClient['find']>[1],
): Promise<GhaEntry | undefined> {
  return client.find(blobKey({ digest }), context);
}

function blobKey({ digest }: Pick<BlobId, 'digest'>): string {
  return `zlayer-blob-${digest}`;
}
