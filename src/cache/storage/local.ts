import { createReadStream, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type BlobId, BuildError, digestHex, digestOf } from '../../core/index.ts';
import { type Descriptor, parseIndex, parseManifest } from '../../oci/index.ts';
import { layoutFile, refNameOf } from '../../outputs/index.ts';
import type { CacheStorage } from '../types.ts';

/** The tag of a cache that names none. */
export const DEFAULT_TAG = 'latest';

/** A cache in an OCI image layout. */
export function createLocalStorage(directory: string, tag: string = DEFAULT_TAG): CacheStorage {
  const fileOf = (blob: Pick<BlobId, 'digest'>): string => layoutFile(directory, blob);
  return {
    name: tag === DEFAULT_TAG ? directory : `${directory}:${tag}`,
    origin: undefined,
    readManifest: async () => {
      const descriptor = readEntries(directory).find((entry) => refNameOf(entry) === tag);
      if (descriptor === undefined) return undefined;
      const bytes = readFileSync(fileOf(descriptor));
      if (digestOf(bytes) === descriptor.digest) return { descriptor, bytes };
      throw new BuildError('BLOB_DIGEST_MISMATCH', `The cache in ${directory} is damaged: its manifest has changed.`, {
        facts: { expected: descriptor.digest, actual: digestOf(bytes) },
        hint: 'Remove the directory; the next build writes it anew.',
      });
    },
    openBlob: (blob) => createReadStream(fileOf(blob)),
    holds: async (blob) => statSync(fileOf(blob), { throwIfNoEntry: false })?.size === blob.sizeBytes,
  };
}

function readEntries(directory: string): readonly Descriptor[] {
  const file = join(directory, 'index.json');
  return statSync(file, { throwIfNoEntry: false }) === undefined ? [] : parseIndex(readFileSync(file)).manifests;
}

/** Removes the blobs that no cache of a layout names any more: what is written again and again stays as large as it is. */
export function sweepLayout(directory: string): void {
  const used = new Set<string>();
  for (const entry of readEntries(directory)) {
    const { config, layers } = parseManifest(readFileSync(layoutFile(directory, entry)));
    for (const blob of [entry, config, ...layers]) used.add(digestHex(blob.digest));
  }
  const blobs = join(directory, 'blobs/sha256');
  for (const name of readdirSync(blobs)) if (!used.has(name)) rmSync(join(blobs, name));
}
