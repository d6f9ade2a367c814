import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { BlobSource, Digest, Platform, RunContext } from '../../core/index.ts';
import { readImage } from '../../oci/index.ts';
import { findLayoutImage, layoutFile, parseLayoutName } from '../../outputs/index.ts';
import { importImage } from './import-image.ts';
import type { Buildah } from './run-buildah.ts';

/**
 * Puts the image of an OCI image layout, `PATH[:TAG][@DIGEST]`, for a platform into buildah's storage and gives its id.
 *
 * @throws BuildError `IMAGE_NOT_FOUND`, `PLATFORM_NOT_FOUND`, `IMAGE_INVALID`.
 */
export async function importLayoutImage(
  deps: { readonly buildah: Buildah; readonly workDir: string },
  { path: name, platform }: { readonly path: string; readonly platform: Platform },
  context: RunContext,
): Promise<string> {
  const layout = parseLayoutName(name);
  const root = await findLayoutImage(layout);
  const fileOf = (digest: Digest): string => resolve(layoutFile(layout.path, { digest }));
  const source: BlobSource = { open: (blob) => createReadStream(fileOf(blob.digest)) };
  const image = await readImage(source, root, { platform, strict: true });
  const { config } = image.manifest;
  return importImage(
    deps,
    {
      manifestBytes: await readFile(fileOf(image.descriptor.digest)),
      config: { digest: config.digest, bytes: await readFile(fileOf(config.digest)) },
      blobs: image.layers.map(({ blob }) => ({ digest: blob.digest, path: fileOf(blob.digest) })),
    },
    context,
  );
}
