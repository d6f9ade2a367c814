import { BuildError, type Digest, type RunContext } from '../../core/index.ts';
import { parseConfig, parseManifest } from '../../oci/index.ts';
import { buildahFailed } from './buildah-failure.ts';
import type { StoredImage } from './image-memory.ts';
import { type Buildah, runBuildah } from './run-buildah.ts';

interface Inspected {
  readonly FromImageID: string;
  readonly FromImageDigest: Digest;
  readonly Config: string;
  readonly Manifest: string;
}

/** Reads an image by name, digest or id; undefined when the storage has none. @throws BuildError `BACKEND_FAILED`, `IMAGE_INVALID`. */
export async function readStoredImage(
  buildah: Buildah,
  name: string,
  context: RunContext,
): Promise<StoredImage | undefined> {
  const exit = await runBuildah(buildah, { args: ['inspect', '--type', 'image', name] }, context);
  if (exit.exitCode !== 0) {
    const error = buildahFailed({ action: `read the image ${name}` }, exit);
    if (error.code === 'IMAGE_NOT_FOUND') return undefined;
    throw error;
  }
  const found = JSON.parse(exit.stdout) as Inspected;
  return {
    id: found.FromImageID,
    digest: found.FromImageDigest,
    manifest: parseManifest(Buffer.from(found.Manifest)),
    manifestText: found.Manifest,
    config: parseConfig(Buffer.from(found.Config)),
  };
}

/** The same, for an image that must be there. @throws BuildError `IMAGE_NOT_FOUND`. */
export async function requireStoredImage(buildah: Buildah, name: string, context: RunContext): Promise<StoredImage> {
  const image = await readStoredImage(buildah, name, context);
  if (image !== undefined) return image;
  throw new BuildError('IMAGE_NOT_FOUND', `There is no image "${name}" in buildah's storage.`, {
    hint: 'See `zlayer images --backend buildah-cli`.',
  });
}
