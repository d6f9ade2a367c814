import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import {
  type BlobSource,
  BuildError,
  type Digest,
  digestAlgorithm,
  digestHex,
  type Platform,
  type RunContext,
} from '../../core/index.ts';
import { type Descriptor, parseIndex, readImage } from '../../oci/index.ts';
import { importImage } from './import-image.ts';
import type { Buildah } from './run-buildah.ts';

const NAME = 'org.opencontainers.image.ref.name';

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
  const { path, tag, digest } = splitLayout(name);
  const root = await findEntry({ path, tag, digest });
  const fileOf = (blob: Digest): string => resolve(path, 'blobs', digestAlgorithm(blob), digestHex(blob));
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

interface LayoutName {
  readonly path: string;
  readonly tag: string | undefined;
  readonly digest: string | undefined;
}

function splitLayout(text: string): LayoutName {
  const [name = '', digest] = text.split('@', 2);
  const colon = name.lastIndexOf(':');
  const hasTag = colon > name.lastIndexOf('/');
  return { path: hasTag ? name.slice(0, colon) : name, tag: hasTag ? name.slice(colon + 1) : undefined, digest };
}

async function findEntry({ path, tag, digest }: LayoutName): Promise<Descriptor> {
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
  throw new BuildError('IMAGE_NOT_FOUND', `The layout ${path} has ${named.length} images of that name.`, {
    hint: `It holds ${names.join(', ')}; name one as oci-layout://PATH:TAG or oci-layout://PATH@DIGEST.`,
  });
}
