import { createReadStream, existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type BlobId, BuildError, digestHex, digestOf } from '../../core/index.ts';
import { type Descriptor, parseIndex, parseManifestOrIndex } from '../../oci/index.ts';
import { layoutFile, refNameOf, writeOciOutput } from '../../outputs/index.ts';
import type { FetchedManifest } from '../../registry/index.ts';
import type { CacheStorage } from '../types.ts';
import { stageInStore } from './upload-image.ts';

/** The tag of a cache that names none. */
const DEFAULT_TAG = 'latest';

/** A cache in an OCI image layout. */
export function createLocalStorage(directory: string, tag: string = DEFAULT_TAG): CacheStorage {
  return {
    name: tag === DEFAULT_TAG ? directory : `${directory}:${tag}`,
    origin: undefined,
    readManifest: async (_context, digest) => {
      if (digest !== undefined) return readDocumentFile(directory, { mediaType: '', digest, size: 0 });
      const descriptor = readEntries(directory).find((entry) => refNameOf(entry) === tag);
      return descriptor === undefined ? undefined : readDocumentFile(directory, descriptor);
    },
    openBlob: (blob) => openFile(directory, blob),
    write: async ({ store, descriptor, ...compress }, context) => {
      const images = [{ descriptor, references: [tag] }];
      await writeOciOutput({ store }, { images, destination: directory, tar: false, ...compress }, context);
      sweepLayout(directory);
    },
    stage: stageInStore,
    check: () => undefined,
    close: async () => undefined,
  };
}

function readEntries(directory: string): readonly Descriptor[] {
  const file = join(directory, 'index.json');
  return existsSync(file) ? parseIndex(readFileSync(file)).manifests : [];
}

/** A document verified by its digest alone: an index may name it with any size and type. */
function readDocumentFile(directory: string, named: Descriptor): FetchedManifest | undefined {
  const file = layoutFile(directory, named);
  if (!existsSync(file)) return undefined;
  const bytes = readFileSync(file);
  if (digestOf(bytes) === named.digest) return { descriptor: { ...named, size: bytes.length }, bytes };
  throw new BuildError('BLOB_DIGEST_MISMATCH', `The cache in ${directory} is damaged: its manifest has changed.`, {
    facts: { expected: named.digest, actual: digestOf(bytes) },
    hint: 'Remove the directory; the next build writes it anew.',
  });
}

async function* openFile(directory: string, blob: BlobId): AsyncGenerator<Uint8Array> {
  const file = layoutFile(directory, blob);
  if (!existsSync(file)) {
    throw new BuildError('BLOB_MISSING', `The cache in ${directory} has lost the blob ${blob.digest}.`);
  }
  yield* createReadStream(file) as AsyncIterable<Uint8Array>;
}

/** Removes the blobs that no cache of a layout names any more: what is written again and again stays as large as it is. */
export function sweepLayout(directory: string): void {
  const used = new Set<string>();
  const visit = (descriptor: Descriptor): void => {
    used.add(digestHex(descriptor.digest));
    const file = layoutFile(directory, descriptor);
    if (!existsSync(file)) return;
    const document = parseManifestOrIndex(readFileSync(file), { mediaType: descriptor.mediaType });
    if (document.kind === 'index') for (const entry of document.index.manifests) keep(entry);
    else for (const part of [document.manifest.config, ...document.manifest.layers]) keep(part);
  };
  // A cache that another builder keeps in the same layout may be an index that names layers.
  const keep = (part: Descriptor): void => {
    if (/manifest|index/.test(part.mediaType)) visit(part);
    else used.add(digestHex(part.digest));
  };
  for (const entry of readEntries(directory)) visit(entry);
  const blobs = join(directory, 'blobs/sha256');
  for (const name of readdirSync(blobs)) if (!used.has(name)) rmSync(join(blobs, name));
}
