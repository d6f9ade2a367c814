import { createReadStream } from 'node:fs';
import type { RunContext } from '../../core/index.ts';
import type { BaseRequest } from '../../graph/index.ts';
import { blobOf, type Descriptor, isIndexType, parseIndex, parseManifest, readImage } from '../../oci/index.ts';
import { findLayoutImage, layoutFile, parseLayoutName } from '../../outputs/index.ts';
import type { Store } from '../../store/index.ts';
import { type BaseImage, toBase } from './resolve-base.ts';

const SCHEME = 'oci-layout://';

/**
 * Resolves `oci-layout://PATH[:TAG][@DIGEST]` by copying the image's blobs into the store.
 *
 * @throws BuildError `IMAGE_NOT_FOUND`, `IMAGE_INVALID`, `BLOB_DIGEST_MISMATCH`.
 */
export async function resolveLayout(store: Store, request: BaseRequest, context: RunContext): Promise<BaseImage> {
  const name = parseLayoutName(request.reference.slice(SCHEME.length));
  const root = await findLayoutImage(name);
  await copyImage({ store, path: name.path }, root, context);
  const image = await readImage(store.blobs, root, { platform: request.platform, strict: true });
  const base = toBase(image, { reference: { registry: 'localhost', repository: 'layout' }, storeAs: undefined });
  // Nothing but the store has these layers now.
  return { ...base, layers: base.layers.map(({ diffId, blob }) => ({ diffId, blob })) };
}

async function copyImage(
  from: { readonly store: Store; readonly path: string },
  descriptor: Descriptor,
  context: RunContext,
): Promise<void> {
  const bytes = await copyDocument(from, descriptor);
  if (isIndexType(descriptor.mediaType)) {
    for (const child of parseIndex(bytes).manifests) await copyImage(from, child, context);
    return;
  }
  const { config, layers } = parseManifest(bytes);
  for (const blob of [config, ...layers]) await copyBlob(from, blob);
}

async function copyDocument(
  from: { readonly store: Store; readonly path: string },
  descriptor: Descriptor,
): Promise<Buffer> {
  await copyBlob(from, descriptor);
  return from.store.blobs.read(blobOf(descriptor));
}

async function copyBlob(
  { store, path }: { readonly store: Store; readonly path: string },
  descriptor: Descriptor,
): Promise<void> {
  const blob = blobOf(descriptor);
  if (await store.blobs.has(blob)) return;
  await store.blobs.write(blob, createReadStream(layoutFile(path, blob)));
}
