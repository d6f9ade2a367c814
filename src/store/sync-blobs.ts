import { closeSync, fstatSync, fsync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import type { BlobId } from '../core/index.ts';
import { missingBlob } from './blobs.ts';
import type { StorePaths } from './paths.ts';
import { systemCode } from './store-error.ts';

/** Makes blobs and their names durable: all at once, so that a journalling file system commits them together. */
export async function syncBlobs(paths: StorePaths, blobs: readonly BlobId[]): Promise<void> {
  const byPath = new Map(blobs.map((blob) => [paths.blob(blob.digest), blob]));
  const folders = new Set([...[...byPath.keys()].map(dirname), paths.blobs]);
  await Promise.all([
    ...[...byPath].map(([path, blob]) => syncBlob(paths, path, blob)),
    ...[...folders].map((folder) => syncFile(folder)),
  ]);
}

async function syncBlob(paths: StorePaths, path: string, blob: BlobId): Promise<void> {
  try {
    if ((await syncFile(path)) === blob.sizeBytes) return;
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error;
  }
  throw missingBlob(blob, paths.root);
}

/** Gives the size. */
async function syncFile(path: string): Promise<number> {
  const fd = openSync(path, 'r');
  try {
    await new Promise<void>((resolve, reject) => {
      fsync(fd, (error) => (error === null ? resolve() : reject(error)));
    });
    return fstatSync(fd).size;
  } finally {
    closeSync(fd);
  }
}
