import { createReadStream, existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type BlobSource, BuildError, type RunContext, throwIfCancelled } from '../../core/index.ts';
import { blobOf, parseLayout } from '../../oci/index.ts';
import type { Store } from '../../store/index.ts';
import { layoutFile } from '../find-layout-image.ts';
import type { FoundImage, NamedImage, OutputDeps } from '../types.ts';
import { readArchiveFiles } from './archive-files.ts';
import { readDockerImages } from './docker-manifest.ts';
import { missingPart, parseLayoutIndex, requireImageBlobs } from './layout-images.ts';

/** A tar's bytes, or the path of a tar or of a directory with an OCI image layout. */
export type ArchiveInput = AsyncIterable<Uint8Array> | string;

/**
 * Loads all images of a `docker save` archive, an OCI archive (both plain or compressed) or an OCI image layout into the
 * store, under the names that they carry, and tells which. Manifests and layers stay byte for byte what they were; images of
 * docker's older format get a manifest.
 *
 * @throws BuildError `ARCHIVE_INVALID`, `BLOB_DIGEST_MISMATCH`, `STORE_FULL`, `CANCELLED`; no name is set then.
 */
export async function loadArchive(
  { store }: OutputDeps,
  input: ArchiveInput,
  context: RunContext,
): Promise<readonly NamedImage[]> {
  const lease = await store.openLease();
  try {
    const isLayout = typeof input === 'string' && statInput(input).isDirectory();
    const images = isLayout
      ? await loadLayout(store, input, context)
      : await readArchive(
          store,
          typeof input === 'string' ? createReadStream(input, { highWaterMark: 1 << 20 }) : input,
          context,
        );
    for (const image of images) {
      const blobs = (await requireImageBlobs(store.blobs, image)).map(blobOf);
      for (const blob of blobs) if (!(await store.blobs.has(blob))) throw missingPart(image);
      await store.sync(blobs);
    }
    for (const image of images) await store.images.set(image.references, image.descriptor);
    return images.map(({ descriptor, references }) => ({ descriptor, references }));
  } finally {
    await lease.release();
  }
}

/**
 * The images of an archive's tar, plain or compressed, with their blobs in the store. They have no name there: a lease of
 * the caller keeps them.
 *
 * @throws BuildError `ARCHIVE_INVALID`, `BLOB_DIGEST_MISMATCH`, `STORE_FULL`, `CANCELLED`.
 */
export async function readArchive(
  store: Store,
  bytes: AsyncIterable<Uint8Array>,
  context: RunContext,
): Promise<readonly FoundImage[]> {
  const files = await readArchiveFiles(store, bytes, context);
  const index = files.document('index.json');
  // Docker writes both; the layout alone has the digests of manifests.
  const layout = files.document('oci-layout');
  if (layout !== undefined && index !== undefined) {
    parseLayout(layout);
    return parseLayoutIndex(index);
  }
  const manifestJson = files.document('manifest.json');
  if (manifestJson !== undefined) return readDockerImages(store, files, manifestJson);
  throw new BuildError(
    'ARCHIVE_INVALID',
    'The tar holds no image: it has neither manifest.json nor an OCI image layout.',
    {
      hint: 'For the tar of a root file system use `zlayer import`.',
    },
  );
}

/** An OCI image layout of a directory: its images, and where their blobs are read. Nothing is verified yet. */
export interface OpenedLayout {
  readonly images: readonly FoundImage[];
  readonly source: BlobSource;
}

/** @throws BuildError `ARCHIVE_INVALID` when the directory holds no such layout, `IMAGE_INVALID` when its version is unknown. */
export function openLayout(path: string): OpenedLayout {
  if (!existsSync(join(path, 'oci-layout')) || !existsSync(join(path, 'index.json'))) {
    throw new BuildError(
      'ARCHIVE_INVALID',
      `"${path}" is not an OCI image layout: it lacks oci-layout or index.json.`,
      {
        hint: 'Name a directory that such a layout is in, or a tar.',
      },
    );
  }
  parseLayout(readFileSync(join(path, 'oci-layout')));
  return { images: parseLayoutIndex(readFileSync(join(path, 'index.json'))), source: openLayoutSource(path) };
}

async function loadLayout(store: Store, path: string, context: RunContext): Promise<readonly NamedImage[]> {
  const { images, source } = openLayout(path);
  for (const image of images) {
    for (const blob of await requireImageBlobs(source, image)) {
      throwIfCancelled(context.signal);
      await store.blobs.write(blobOf(blob), source.open(blobOf(blob)));
    }
  }
  return images;
}

function openLayoutSource(path: string): BlobSource {
  return {
    open: async function* (blob, { offset = 0 } = {}) {
      const file = layoutFile(path, blob);
      if (!existsSync(file)) {
        throw new BuildError('BLOB_MISSING', `Blob ${blob.digest} is not in the layout "${path}".`);
      }
      yield* createReadStream(file, { start: offset, highWaterMark: 1 << 20 });
    },
  };
}

function statInput(path: string): { isDirectory(): boolean } {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat !== undefined) return stat;
  throw new BuildError('SOURCE_NOT_FOUND', `"${path}" cannot be loaded: there is no such file or directory.`, {
    facts: { path },
  });
}
