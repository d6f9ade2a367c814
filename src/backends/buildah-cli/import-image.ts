import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Digest, digestHex, type RunContext } from '../../core/index.ts';
import { callBuildah } from './call-buildah.ts';
import type { Buildah } from './run-buildah.ts';

/** An image to be put into buildah's storage. */
export interface ImageToImport {
  readonly manifestBytes: Uint8Array;
  readonly config: { readonly digest: Digest; readonly bytes: Uint8Array };
  /** Files with the blobs of layers. Those that the storage has need not be given. */
  readonly blobs: ReadonlyArray<{ readonly digest: Digest; readonly path: string }>;
}

const VERSION = 'Directory Transport Version: 1.1\n';

/**
 * Puts an image into buildah's storage, without a name, and gives its id. Layers that are there already, by their diffIds,
 * are taken from there: documents can be replaced without moving a byte of a layer.
 */
export async function importImage(
  { buildah, workDir }: { readonly buildah: Buildah; readonly workDir: string },
  image: ImageToImport,
  context: RunContext,
): Promise<string> {
  await mkdir(workDir, { recursive: true });
  const directory = await mkdtemp(join(workDir, 'image-'));
  try {
    await writeFile(join(directory, 'version'), VERSION);
    await writeFile(join(directory, 'manifest.json'), image.manifestBytes);
    await writeFile(join(directory, digestHex(image.config.digest)), image.config.bytes);
    for (const { digest, path } of image.blobs) await symlink(path, join(directory, digestHex(digest)));
    const subject = { action: 'store the image' };
    const printed = await callBuildah(buildah, { args: ['pull', '--quiet', `dir:${directory}`], subject }, context);
    return printed.trim();
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
