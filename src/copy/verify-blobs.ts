import { type BlobId, type BlobSource, BuildError, createDigester, digestAlgorithm } from '../core/index.ts';

/**
 * A source whose blobs are verified while they are read from their start: the last chunk comes only when size and digest
 * were right. Reading from the middle gives the bytes as they are.
 */
export function verifyBlobs(source: BlobSource, name: string): BlobSource {
  return {
    open: (blob, options) => {
      const bytes = source.open(blob, options);
      return (options?.offset ?? 0) > 0 ? bytes : verified(bytes, blob, name);
    },
  };
}

async function* verified(bytes: AsyncIterable<Uint8Array>, blob: BlobId, name: string): AsyncGenerator<Uint8Array> {
  const digester = createDigester(digestAlgorithm(blob.digest));
  let held: Uint8Array | undefined;
  let sizeBytes = 0;
  for await (const chunk of bytes) {
    sizeBytes += chunk.length;
    if (sizeBytes > blob.sizeBytes) break;
    digester.update(chunk);
    if (held !== undefined) yield held;
    held = chunk;
  }
  const actual = sizeBytes === blob.sizeBytes ? digester.digest() : `of ${sizeBytes} bytes`;
  if (actual !== blob.digest) {
    throw new BuildError('BLOB_DIGEST_MISMATCH', `The blob ${blob.digest} in ${name} is damaged: it is ${actual}.`, {
      facts: { expected: blob.digest, actual },
      hint: 'Write the image there again; nothing damaged was copied.',
    });
  }
  if (held !== undefined) yield held;
}
