import {
  type BlobSource,
  BuildError,
  type Digest,
  digestAlgorithm,
  digestHex,
  isBuildError,
  isDigest,
} from '../core/index.ts';
import { blobOf, type Descriptor, MEDIA_TYPES, readDocument } from '../oci/index.ts';

/**
 * All blobs that an image is made of, each once, parts before what names them. An index may list platforms that were never
 * fetched, and a layer may be one that is never handed on; both are left out.
 */
export async function listImageBlobs(source: BlobSource, roots: readonly Descriptor[]): Promise<readonly Descriptor[]> {
  const blobs = new Map<string, Descriptor>();
  const visit = async (descriptor: Descriptor): Promise<void> => {
    if (blobs.has(descriptor.digest)) return;
    const document = await readDocument(source, descriptor);
    if (document.kind === 'index') {
      for (const child of checked(descriptor, document.index.manifests)) {
        if (await isThere(source, child)) await visit(child);
      }
    } else {
      const { layers, config } = document.manifest;
      for (const part of checked(descriptor, [...layers, config]).filter(isCarried)) blobs.set(part.digest, part);
    }
    blobs.set(descriptor.digest, descriptor);
  };
  for (const root of roots) await visit(root);
  return [...blobs.values()];
}

/** Digests become paths; whatever else stands in a document ends here. */
function checked(owner: Descriptor, parts: readonly Descriptor[]): readonly Descriptor[] {
  if (parts.every((part) => isDigest(part?.digest ?? '') && Number.isSafeInteger(part.size))) return parts;
  throw new BuildError('IMAGE_INVALID', `Image document ${owner.digest} names a part without a valid digest and size.`);
}

/** The path of a blob in an OCI image layout (image-spec, image-layout.md). */
export function blobPath({ digest }: { readonly digest: Digest }): string {
  return `blobs/${digestAlgorithm(digest)}/${digestHex(digest)}`;
}

function isCarried(layer: Descriptor): boolean {
  return layer.mediaType !== MEDIA_TYPES.dockerForeignLayer && !layer.mediaType.includes('.nondistributable.');
}

async function isThere(source: BlobSource, descriptor: Descriptor): Promise<boolean> {
  try {
    for await (const _ of source.open(blobOf(descriptor))) break;
    return true;
  } catch (error) {
    if (isBuildError(error, 'BLOB_MISSING')) return false;
    throw error;
  }
}
