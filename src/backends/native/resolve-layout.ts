import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BuildError, digestAlgorithm, digestHex, type RunContext } from '../../core/index.ts';
import type { BaseRequest } from '../../graph/index.ts';
import { blobOf, type Descriptor, isIndexType, parseIndex, parseManifest, readImage } from '../../oci/index.ts';
import type { Store } from '../../store/index.ts';
import { type BaseImage, toBase } from './resolve-base.ts';

const SCHEME = 'oci-layout://';
const NAME = 'org.opencontainers.image.ref.name';

/**
 * Resolves `oci-layout://PATH[:TAG][@DIGEST]` by copying the image's blobs into the store.
 *
 * @throws BuildError `IMAGE_NOT_FOUND`, `IMAGE_INVALID`, `BLOB_DIGEST_MISMATCH`.
 */
export async function resolveLayout(store: Store, request: BaseRequest, context: RunContext): Promise<BaseImage> {
  const { path, tag, digest } = splitLayout(request.reference);
  const root = await findImage({ path, tag, digest }, request.reference);
  await copyImage({ store, path }, root, context);
  const image = await readImage(store.blobs, root, { platform: request.platform, strict: true });
  const base = toBase(image, { reference: { registry: 'localhost', repository: 'layout' }, storeAs: undefined });
  // Nothing but the store has these layers now.
  return { ...base, layers: base.layers.map(({ diffId, blob }) => ({ diffId, blob })) };
}

interface LayoutName {
  readonly path: string;
  readonly tag: string | undefined;
  readonly digest: string | undefined;
}

function splitLayout(text: string): LayoutName {
  const [name = '', digest] = text.slice(SCHEME.length).split('@', 2);
  const colon = name.lastIndexOf(':');
  const hasTag = colon > name.lastIndexOf('/');
  return { path: hasTag ? name.slice(0, colon) : name, tag: hasTag ? name.slice(colon + 1) : undefined, digest };
}

async function findImage({ path, tag, digest }: LayoutName, reference: string): Promise<Descriptor> {
  const bytes = await readFile(join(path, 'index.json')).catch((error: Error) => {
    throw new BuildError('IMAGE_NOT_FOUND', `${path} is not an OCI image layout: ${error.message}`, { cause: error });
  });
  const { manifests } = parseIndex(bytes);
  const named = manifests.filter((entry) =>
    digest === undefined ? tag === undefined || entry.annotations?.[NAME] === tag : entry.digest === digest,
  );
  const [found, ...others] = named;
  if (found !== undefined && others.length === 0) return found;
  const names = manifests.map((entry) => entry.annotations?.[NAME] ?? entry.digest);
  throw new BuildError('IMAGE_NOT_FOUND', `${reference} names ${named.length} images of the layout.`, {
    hint: `The layout holds ${names.join(', ')}; name one as oci-layout://PATH:TAG or oci-layout://PATH@DIGEST.`,
  });
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
  const file = join(path, 'blobs', digestAlgorithm(blob.digest), digestHex(blob.digest));
  await store.blobs.write(blob, createReadStream(file));
}
