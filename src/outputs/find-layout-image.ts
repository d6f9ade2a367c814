import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BuildError, type Digest } from '../core/index.ts';
import { type Descriptor, parseIndex } from '../oci/index.ts';
import { blobPath } from './image-blobs.ts';
import { REF_NAME } from './layout-files.ts';

/** An image in an OCI image layout: the one of a name or digest, else the only one. */
export interface LayoutName {
  readonly path: string;
  readonly tag: string | undefined;
  readonly digest: string | undefined;
}

/** The parts of `PATH[:TAG][@DIGEST]`, as they follow `oci-layout://`. */
export function parseLayoutName(text: string): LayoutName {
  const [name = '', digest] = text.split('@', 2);
  const colon = name.lastIndexOf(':');
  const hasTag = colon > name.lastIndexOf('/');
  return { path: hasTag ? name.slice(0, colon) : name, tag: hasTag ? name.slice(colon + 1) : undefined, digest };
}

/**
 * Finds the one image that is named in a layout's `index.json`.
 *
 * @throws BuildError `IMAGE_NOT_FOUND` where there is no layout, none of that name, or several.
 */
export async function findLayoutImage({ path, tag, digest }: LayoutName): Promise<Descriptor> {
  const bytes = await readFile(join(path, 'index.json')).catch((error: Error) => {
    throw new BuildError('IMAGE_NOT_FOUND', `${path} is not an OCI image layout: ${error.message}`, { cause: error });
  });
  const { manifests } = parseIndex(bytes);
  const named = manifests.filter((entry) =>
    digest === undefined ? tag === undefined || refNameOf(entry) === tag : entry.digest === digest,
  );
  const [found, ...others] = named;
  if (found !== undefined && others.length === 0) return found;
  const names = manifests.map((entry) => refNameOf(entry) ?? entry.digest);
  const wanted = [tag === undefined ? '' : `:${tag}`, digest === undefined ? '' : `@${digest}`].join('');
  throw new BuildError('IMAGE_NOT_FOUND', `oci-layout://${path}${wanted} names ${named.length} images of the layout.`, {
    hint: `The layout holds ${names.join(', ')}; name one as oci-layout://PATH:TAG or oci-layout://PATH@DIGEST.`,
  });
}

/** The name that the image-spec gives an entry of a layout's index. */
export function refNameOf(entry: Descriptor): string | undefined {
  return entry.annotations?.[REF_NAME];
}

/** The file of a blob in the layout at a path. */
export function layoutFile(path: string, blob: { readonly digest: Digest }): string {
  return join(path, blobPath(blob));
}
