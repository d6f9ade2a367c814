import { createReadStream } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { digestHex, digestOf, formatReference, parseReference, type RunContext } from '../../core/index.ts';
import { type Descriptor, parseManifestOrIndex } from '../../oci/index.ts';
import { openStore, type Store } from '../../store/index.ts';
import type { LayerCompression, OutputInput } from '../types.ts';
import { callBuildah } from './call-buildah.ts';
import { findEntry, imageOfEntry } from './find-image.ts';
import type { Buildah } from './run-buildah.ts';

export interface ExportInput {
  readonly image: string;
  readonly references: readonly string[];
  readonly output: OutputInput;
}

/**
 * Takes an image to one output: buildah writes it out as it is, and our writers make what was asked for of it.
 *
 * @throws BuildError `IMAGE_NOT_FOUND`, `OUTPUT_FAILED`, `UNSUPPORTED`.
 */
export async function exportImage(
  deps: { readonly buildah: Buildah; readonly workDir: string },
  input: ExportInput,
  context: RunContext,
): Promise<void> {
  const { output } = input;
  if (output.kind === 'image' || output.kind === 'cacheonly') return;
  const entry = await findEntry(deps.buildah, input.image, context);
  const isList = (await imageOfEntry(deps.buildah, entry, context)) === undefined;
  const directory = await mkdtemp(join(deps.workDir, 'export-'));
  try {
    const files = join(directory, 'files');
    const args = isList
      ? ['manifest', 'push', '--all', '--quiet', entry.id, `dir:${files}`]
      : ['push', '--quiet', '--disable-compression', entry.id, `dir:${files}`];
    await callBuildah(deps.buildah, { args, subject: { action: `export ${input.image}` } }, context);
    const store = await openStore({ root: join(directory, 'store') });
    const descriptor = await loadFiles(store, files, 'manifest.json');
    await write(store, { ...input, output }, descriptor, context);
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
    for (const member of document.index.manifests)
      await loadFiles(store, directory, `${digestHex(member.digest)}.manifest.json`);
    return { mediaType: document.index.mediaType!, digest, size: sizeBytes };
  }
  const { config, layers, mediaType } = document.manifest;
  for (const blob of [config, ...layers]) {
    const file = createReadStream(join(directory, digestHex(blob.digest)), { highWaterMark: 1 << 20 });
    await store.blobs.write({ digest: blob.digest, sizeBytes: blob.size }, file);
  }
  return {
    mediaType: mediaType ?? 'application/vnd.oci.image.manifest.v1+json',
    digest: digestOf(bytes),
    size: sizeBytes,
  };
}

async function write(
  store: Store,
  { output, references }: ExportInput,
  descriptor: Descriptor,
  context: RunContext,
): Promise<void> {
  if (output.kind === 'image' || output.kind === 'cacheonly') return;
  const outputs = await import('../../outputs/index.ts');
  const images = [{ descriptor, references: references.map((text) => formatReference(parseReference(text))) }];
  const { destination } = output;
  switch (output.kind) {
    case 'oci': {
      const options = { images, destination, tar: output.tar, ...compressionOf(output) };
      return outputs.writeOciOutput({ store }, options, context);
    }
    case 'docker':
      return outputs.writeDockerOutput({ store }, { images, destination, compression: 'none' }, context);
    case 'tar':
      return outputs.writeTarOutput({ store }, { descriptor, destination }, context);
    case 'local':
      return outputs.writeLocalOutput({ store }, { descriptor, destination }, context);
  }
}

function compressionOf({ compression, compressionLevel }: LayerCompression) {
  return { compression: compression ?? 'gzip', level: compressionLevel } as const;
}
