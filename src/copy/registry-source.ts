import {
  type BlobId,
  type BlobSource,
  BuildError,
  type Digest,
  formatReference,
  isBuildError,
  type Reference,
  type RunContext,
} from '../core/index.ts';
import { type Descriptor, parseManifestOrIndex } from '../oci/index.ts';
import type { RegistryClient } from '../registry/index.ts';

interface RegistrySourceInput {
  readonly reference: Reference;
  readonly root: Descriptor;
}

/**
 * The blobs and documents of an image in a registry. A registry has documents and blobs in different places: the root is a
 * document, and so is what an index lists. Each document is fetched once.
 */
export function createRegistrySource(
  client: RegistryClient,
  { reference, root }: RegistrySourceInput,
  context: RunContext,
): BlobSource {
  const documents = new Map<Digest, () => Promise<Buffer>>();
  const expect = (digest: Digest): void => {
    if (!documents.has(digest))
      documents.set(
        digest,
        onceOrAgain(() => fetchDocument(digest)),
      );
  };
  const fetchDocument = async (digest: Digest): Promise<Buffer> => {
    const { descriptor, bytes } = await client.fetchManifest({ ...reference, digest }, context);
    const document = parseManifestOrIndex(bytes, descriptor);
    if (document.kind === 'index') for (const entry of document.index.manifests) expect(entry.digest);
    return bytes;
  };
  expect(root.digest);
  return {
    open: async function* (blob, { offset = 0 } = {}) {
      const document = documents.get(blob.digest);
      try {
        if (document !== undefined) yield (await document()).subarray(offset);
        else yield* client.fetchBlob(reference, { ...blob, offset }, context);
      } catch (error) {
        throw blob.digest !== root.digest && isBuildError(error, 'IMAGE_NOT_FOUND')
          ? missing(reference, blob, error)
          : error;
      }
    },
  };
}

/** Shares one run of a task among all who ask, and begins anew after a failure. */
function onceOrAgain<T>(run: () => Promise<T>): () => Promise<T> {
  let running: Promise<T> | undefined;
  return () => {
    running ??= run().catch((error: unknown) => {
      running = undefined;
      throw error;
    });
    return running;
  };
}

function missing(reference: Reference, blob: BlobId, cause: unknown): BuildError {
  const name = formatReference(reference);
  return new BuildError('BLOB_MISSING', `${blob.digest} of ${name} is not in its registry.`, {
    cause,
    hint: 'The image is incomplete there; push it again.',
  });
}
