import { createReadStream } from 'node:fs';
import { BuildError, familiarReference, formatReference, type RunContext } from '../core/index.ts';
import { openLayout, readArchive } from '../outputs/index.ts';
import { chooseImage } from './choose-image.ts';
import { createRegistrySource } from './registry-source.ts';
import type { CopyDeps, ImagePlace, ImageSource } from './types.ts';
import { verifyBlobs } from './verify-blobs.ts';

type Place<K extends ImagePlace['kind']> = Extract<ImagePlace, { readonly kind: K }>;

/**
 * Finds the image at a place.
 *
 * @throws BuildError `IMAGE_NOT_FOUND`, `ARCHIVE_INVALID`, `SOURCE_NOT_FOUND`, `REGISTRY_*`, `STORE_*`.
 */
export async function openSource(deps: CopyDeps, place: ImagePlace, context: RunContext): Promise<ImageSource> {
  switch (place.kind) {
    case 'registry':
      return openRegistrySource(deps, place, context);
    case 'store':
      return openStoreSource(deps, place);
    case 'oci':
      return openLayoutSource(place);
    case 'oci-archive':
    case 'docker-archive':
      return openArchiveSource(deps, place, context);
  }
}

async function openRegistrySource(
  deps: CopyDeps,
  { reference }: Place<'registry'>,
  context: RunContext,
): Promise<ImageSource> {
  const client = await deps.source();
  const root = await client.resolve(reference, context);
  const origin = formatReference({ registry: reference.registry, repository: reference.repository });
  return {
    name: familiarReference(reference),
    root,
    blobs: createRegistrySource(client, { reference, root }, context),
    originsOf: () => [origin],
    close: async () => undefined,
  };
}

async function openStoreSource(deps: CopyDeps, { name }: Place<'store'>): Promise<ImageSource> {
  const store = await deps.store();
  const { descriptor } = await store.images.find(name);
  const blobs = verifyBlobs(store.blobs, 'the store');
  return { name, root: descriptor, blobs, originsOf: () => [], close: async () => undefined };
}

function openLayoutSource({ path, name }: Place<'oci'>): ImageSource {
  const { images, source } = openLayout(path);
  const { descriptor } = chooseImage(images, { name, where: path });
  const blobs = verifyBlobs(source, `"${path}"`);
  return { name: path, root: descriptor, blobs, originsOf: () => [], close: async () => undefined };
}

/** A tar is read in one pass, into the store, where a lease keeps its blobs for as long as they are copied. */
async function openArchiveSource(
  deps: CopyDeps,
  { path, name }: Place<'oci-archive' | 'docker-archive'>,
  context: RunContext,
): Promise<ImageSource> {
  const store = await deps.store();
  const lease = await store.openLease();
  try {
    const images = await readArchive(store, path === '-' ? process.stdin : readFile(path), context);
    const { descriptor } = chooseImage(images, { name, where: path });
    const blobs = verifyBlobs(store.blobs, 'the store');
    return { name: path, root: descriptor, blobs, originsOf: () => [], close: () => lease.release() };
  } catch (error) {
    await lease.release();
    throw error;
  }
}

async function* readFile(path: string): AsyncGenerator<Uint8Array> {
  try {
    yield* createReadStream(path, { highWaterMark: 1 << 20 });
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') {
      const facts = { path };
      throw new BuildError('SOURCE_NOT_FOUND', `"${path}" cannot be copied: there is no such file.`, { facts, cause });
    }
    if (code === undefined) throw cause;
    throw new BuildError('ARCHIVE_INVALID', `"${path}" cannot be read: ${message}.`, { cause });
  }
}
