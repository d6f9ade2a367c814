import {
  type BlobId,
  BuildError,
  type Digest,
  isBuildError,
  isDigest,
  parseReference,
  type RunContext,
  throwIfCancelled,
} from '../../core/index.ts';
import { parseManifestOrIndex, readVerified } from '../../oci/index.ts';
import type { RegistryClient } from '../../registry/index.ts';
import { type FoundImage, readThrough, type Store } from '../../store/index.ts';

/** The store, with the layers that a registry is known to have: one is fetched when it is opened. */
export function readOriginsThrough(store: Store, client: () => Promise<RegistryClient>, context: RunContext): Store {
  return readThrough(store, { provide: (blob) => fetchFromOrigin({ store, client }, blob, context) });
}

async function fetchFromOrigin(
  { store, client }: { readonly store: Store; readonly client: () => Promise<RegistryClient> },
  blob: BlobId,
  context: RunContext,
): Promise<void> {
  const { readOrigins } = await import('../../outputs/index.ts');
  let failure: unknown;
  for (const origin of await readOrigins(store, blob)) {
    try {
      const bytes = (await client()).fetchBlob(parseReference(origin), blob, context);
      return await store.blobs.write(blob, bytes);
    } catch (error) {
      throwIfCancelled(context.signal);
      failure ??= error;
    }
  }
  throw (
    failure ??
    new BuildError(
      'BLOB_MISSING',
      `The layer ${blob.digest} is not in the store, and no registry is known to have it.`,
      {
        hint: 'Build or pull the image again.',
      },
    )
  );
}

/**
 * As `ImageStore.find`. The digest of a manifest also finds an image that the store does not list, since its layers are
 * elsewhere: what a build has just made to push it.
 */
export async function findMadeImage(store: Store, word: string): Promise<FoundImage> {
  try {
    return await store.images.find(word);
  } catch (error) {
    const found =
      isBuildError(error, 'IMAGE_NOT_FOUND') && isDigest(word) ? await findUnlisted(store, word) : undefined;
    if (found === undefined) throw error;
    return found;
  }
}

async function findUnlisted(store: Store, digest: Digest): Promise<FoundImage | undefined> {
  const blob = await store.blobs.stat(digest);
  if (blob === undefined) return undefined;
  try {
    const document = parseManifestOrIndex(await readVerified(store.blobs, blob));
    const { mediaType } = document.kind === 'index' ? document.index : document.manifest;
    if (mediaType === undefined) return undefined;
    const descriptor = { mediaType, digest, size: blob.sizeBytes };
    return { image: { reference: undefined, descriptor, updatedMs: Date.now() }, descriptor, byName: false };
  } catch {
    // It is a blob of another kind.
    return undefined;
  }
}
