import { createReadStream } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { digestHex, type RunContext } from '../../core/index.ts';
import {
  type Descriptor,
  type LayerRef,
  MEDIA_TYPES,
  parseConfig,
  parseManifest,
  parseManifestOrIndex,
} from '../../oci/index.ts';
import { type Lease, openStore, type Store } from '../../store/index.ts';
import { callBuildah } from './call-buildah.ts';
import { findEntry, imageOfEntry } from './find-image.ts';
import type { Buildah } from './run-buildah.ts';

/**
 * Lends an image, or a list with its members, in a store of its own that is gone when `work` ends: documents as they are,
 * layers uncompressed.
 *
 * @throws BuildError `IMAGE_NOT_FOUND`, and what `work` throws.
 */
export async function withLoadedImage<T>(
  deps: { readonly buildah: Buildah; readonly workDir: string },
  { image, work }: { readonly image: string; readonly work: (store: Store, descriptor: Descriptor) => Promise<T> },
  context: RunContext,
): Promise<T> {
  const { buildah, workDir } = deps;
  const entry = await findEntry(deps, image, context);
  const isList = (await imageOfEntry(buildah, entry, context)) === undefined;
  const directory = await mkdtemp(join(workDir, 'load-'));
  try {
    const files = join(directory, 'files');
    const args = isList
      ? ['manifest', 'push', '--all', '--quiet', entry.id, `dir:${files}`]
      : ['push', '--quiet', '--disable-compression', entry.id, `dir:${files}`];
    await callBuildah(buildah, { args, subject: { action: `read the image ${image}` } }, context);
    const store = await openStore({ root: join(directory, 'store') });
    return await work(store, await loadFiles(store, files, 'manifest.json'));
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** The layers of an image, uncompressed, in our store, held by a lease. */
export async function loadLayers(
  deps: { readonly buildah: Buildah; readonly workDir: string; readonly store: Store; readonly lease: Lease },
  image: string,
  context: RunContext,
): Promise<readonly LayerRef[]> {
  const { store, lease } = deps;
  const directory = await mkdtemp(join(deps.workDir, 'layers-'));
  try {
    const args = ['push', '--quiet', '--disable-compression', image, `dir:${directory}`];
    await callBuildah(deps.buildah, { args, subject: { action: `read the image ${image}` } }, context);
    const { config, layers } = parseManifest(await readFile(join(directory, 'manifest.json')));
    const { rootfs } = parseConfig(await readFile(join(directory, digestHex(config.digest))));
    for (const { digest, size } of layers) {
      const blob = { digest, sizeBytes: size };
      if (await lease.pinBlob(blob)) continue;
      await store.blobs.write(blob, createReadStream(join(directory, digestHex(digest)), { highWaterMark: 1 << 20 }));
      await lease.pinBlob(blob);
    }
    return layers.map((blob, index): LayerRef => ({ diffId: rootfs.diff_ids[index]!, blob }));
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Loads what buildah's `dir:` transport wrote: blobs by their digits, documents beside them. */
async function loadFiles(store: Store, directory: string, name: string): Promise<Descriptor> {
  const bytes = await readFile(join(directory, name));
  const document = parseManifestOrIndex(bytes);
  const { digest, sizeBytes } = await store.blobs.put(bytes);
  if (document.kind === 'index') {
    for (const member of document.index.manifests) {
      await loadFiles(store, directory, `${digestHex(member.digest)}.manifest.json`);
    }
    return { mediaType: document.index.mediaType ?? MEDIA_TYPES.ociIndex, digest, size: sizeBytes };
  }
  const { config, layers, mediaType } = document.manifest;
  for (const blob of [config, ...layers]) {
    const file = createReadStream(join(directory, digestHex(blob.digest)), { highWaterMark: 1 << 20 });
    await store.blobs.write({ digest: blob.digest, sizeBytes: blob.size }, file);
  }
  return { mediaType: mediaType ?? MEDIA_TYPES.ociManifest, digest, size: sizeBytes };
}
