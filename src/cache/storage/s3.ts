import { type BlobId, type BlobSource, BuildError, digestHex, digestOf, type RunContext } from '../../core/index.ts';
import { blobOf, type Descriptor, MEDIA_TYPES, parseManifest } from '../../oci/index.ts';
import type { CacheStorage, S3Location } from '../types.ts';
import { createS3Client, type S3Client } from './s3-client.ts';

const MAX_MANIFEST_BYTES = 4 << 20;
const UPLOADS_AT_ONCE = 4;

/** A cache in a bucket: blobs by digest, which several caches share, and a manifest by the cache's name. */
export function createS3Storage(location: S3Location): CacheStorage {
  const open = (): S3Client => createS3Client(location, process.env);
  return {
    name: nameOf(location),
    origin: undefined,
    readManifest: async (context) => {
      const client = open();
      try {
        const body = await client.get(manifestKey(location), context);
        return body === undefined ? undefined : toManifest(location, await readAll(body));
      } finally {
        await client.close();
      }
    },
    openBlob: async function* (blob, context) {
      const client = open();
      try {
        const body = await client.get(blobKey(blob), context);
        if (body === undefined) {
          throw new BuildError('BLOB_MISSING', `The cache ${nameOf(location)} has lost the blob ${blob.digest}.`);
        }
        yield* body;
      } finally {
        await client.close();
      }
    },
    holds: async (blob, context) => {
      const client = open();
      try {
        return (await client.stat(blobKey(blob), context)) === blob.sizeBytes;
      } finally {
        await client.close();
      }
    },
  };
}

/** Uploads what the bucket lacks, and the manifest last: until then the cache is what it was. */
export async function writeS3Cache(
  location: S3Location,
  image: { readonly descriptor: Descriptor; readonly source: BlobSource },
  context: RunContext,
): Promise<void> {
  const client = createS3Client(location, process.env);
  try {
    const bytes = await readAll(image.source.open(blobOf(image.descriptor)));
    const { config, layers } = parseManifest(bytes);
    const waiting = [...layers, config].map(blobOf).values();
    const upload = async (): Promise<void> => {
      for (const blob of waiting) await uploadBlob(client, { blob, source: image.source }, context);
    };
    await Promise.all(Array.from({ length: UPLOADS_AT_ONCE }, upload));
    const body = async function* (): AsyncGenerator<Uint8Array> {
      yield bytes;
    };
    const content = { body, sizeBytes: bytes.length, sha256: digestHex(digestOf(bytes)) };
    await client.put(manifestKey(location), content, context);
  } finally {
    await client.close();
  }
}

async function uploadBlob(
  client: S3Client,
  { blob, source }: { readonly blob: BlobId; readonly source: BlobSource },
  context: RunContext,
): Promise<void> {
  if ((await client.stat(blobKey(blob), context)) === blob.sizeBytes) return;
  const body = (): AsyncIterable<Uint8Array> => source.open(blob);
  await client.put(blobKey(blob), { body, sizeBytes: blob.sizeBytes, sha256: digestHex(blob.digest) }, context);
}

function nameOf({ bucket, prefix = '', name = 'latest' }: S3Location): string {
  return `s3://${bucket}/${prefix}${name}`;
}

function manifestKey({ name = 'latest' }: S3Location): string {
  return `manifests/${name}`;
}

function blobKey({ digest }: Pick<BlobId, 'digest'>): string {
  return `blobs/${digest}`;
}

function toManifest(location: S3Location, bytes: Buffer) {
  if (bytes.length > MAX_MANIFEST_BYTES) {
    throw new BuildError('IMAGE_INVALID', `The manifest of ${nameOf(location)} is too large.`);
  }
  return { bytes, descriptor: { mediaType: MEDIA_TYPES.ociManifest, digest: digestOf(bytes), size: bytes.length } };
}

async function readAll(bytes: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of bytes) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > MAX_MANIFEST_BYTES) break;
  }
  return Buffer.concat(chunks);
}
