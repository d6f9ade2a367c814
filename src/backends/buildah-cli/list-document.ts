import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { digestOf, type RunContext } from '../../core/index.ts';
import { type Descriptor, type Index, MEDIA_TYPES, parseIndex } from '../../oci/index.ts';
import { callBuildah } from './call-buildah.ts';
import type { Buildah } from './run-buildah.ts';

/** A list as it would be pushed. */
export interface ListDocument {
  readonly descriptor: Descriptor;
  readonly index: Index;
}

/** Reads a list as buildah writes it for a registry: so its digest is the one that it has there. */
export async function readListDocument(
  { buildah, workDir }: { readonly buildah: Buildah; readonly workDir: string },
  list: string,
  context: RunContext,
): Promise<ListDocument> {
  const directory = await mkdtemp(join(workDir, 'list-'));
  try {
    const args = ['manifest', 'push', '--quiet', list, `dir:${directory}`];
    await callBuildah(buildah, { args, subject: { action: `read the manifest list ${list}` } }, context);
    const bytes = await readFile(join(directory, 'manifest.json'));
    const index = parseIndex(bytes);
    const mediaType = index.mediaType ?? MEDIA_TYPES.ociIndex;
    return { descriptor: { mediaType, digest: digestOf(bytes), size: bytes.length }, index };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
