import { type BlobId, digestHex, digestOf, isBuildError } from '../../core/index.ts';
import type { CacheStorage, S3Location } from '../types.ts';
import { createS3Client, type S3Client } from './s3-client.ts';
import { readManifestObject, stageInStore, uploadImage } from './upload-image.ts';

/** A cache in a bucket: blobs by digest, which several caches share, and a manifest by the cache's name. */
export function createS3Storage(location: S3Location): CacheStorage {
  const { bucket, prefix = '', name = 'latest' } = location;
  const manifestKey = `manifests/${name}`;
  let opened: S3Client | undefined;
  const client = (): S3Client => {
    opened ??= createS3Client(location, process.env);
    return opened;
  };
  return {
    name: `s3://${bucket}/${prefix}${name}`,
    origin: undefined,
    readManifest: async (context, digest) => {
      const key = digest === undefined ? manifestKey : blobKey({ digest });
      try {
        return await readManifestObject(client().get(key, context));
      } catch (error) {
        if (isBuildError(error, 'BLOB_MISSING')) return undefined;
        throw error;
      }
    },
    openBlob: async function* (blob, context) {
      yield* client().get(blobKey(blob), context);
    },
    write: (cache, context) =>
      uploadImage(
        {
          hasBlob: async (blob, inner) => (await client().stat(blobKey(blob), inner)) === blob.sizeBytes,
          putBlob: (blob, source, inner) => {
            const body = (): AsyncIterable<Uint8Array> => source.open(blob);
            const content = { body, sizeBytes: blob.sizeBytes, sha256: digestHex(blob.digest) };
            return client().put(blobKey(blob), content, inner);
          },
          putManifest: (bytes, inner) => {
            const body = async function* (): AsyncGenerator<Uint8Array> {
              yield bytes;
            };
            const content = { body, sizeBytes: bytes.length, sha256: digestHex(digestOf(bytes)) };
            return client().put(manifestKey, content, inner);
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

function blobKey({ digest }: Pick<BlobId, 'digest'>): string {
  return `blobs/${digest}`;
}
