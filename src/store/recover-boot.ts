import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { isBuildError } from '../core/index.ts';
import { listNames } from './areas.ts';
import { isFirstSinceBoot, writeBootMark } from './boot-mark.ts';
import { lockIndex } from './index-file.ts';
import { mendLayout } from './layout.ts';
import type { StoreHome } from './store-home.ts';

/** Linux writes dirty data back after 30 s; ten times that leaves room for a slow disk. */
const UNSAFE_MS = 5 * 60_000;
/** The longest that writing one blob is taken to last. */
const LONGEST_WRITE_MS = 3_600_000;

/**
 * Takes care of what a power cut may have spoiled, once after every boot. Build-time data is written without fsync, so that
 * of whatever was finished in the last minutes before the end a file may be there and its content not. Area entries of those
 * minutes are removed (they can be made again), blobs are hashed, and removed when they are not what they are named.
 */
export async function recoverBoot(home: StoreHome): Promise<void> {
  try {
    const lock = await lockIndex(home);
    try {
      if (!isFirstSinceBoot(home.paths)) return;
      mendLayout(home);
      discardUnsafe(home);
      writeBootMark(home);
    } finally {
      lock.release();
      home.rest();
    }
  } catch (error) {
    // A store that may only be read is read as it is; blobs are checked where they are used.
    if (!isBuildError(error, 'STORE_PERMISSION') && !isReadOnly(error)) throw error;
  }
}

interface Written {
  readonly path: string;
  readonly finishedMs: number;
}

function discardUnsafe(home: StoreHome): void {
  const entries = listNames(home.paths.areas).flatMap((area) => readEntries(`${home.paths.areas}/${area}`));
  const blobs = ['sha256', 'sha512'].flatMap((algorithm) => readBlobs(`${home.paths.blobs}/${algorithm}`));
  const lastMs = [...entries, ...blobs].reduce((latest, { finishedMs }) => Math.max(latest, finishedMs), 0);
  const isUnsafe = ({ finishedMs }: Written): boolean => finishedMs > lastMs - UNSAFE_MS;
  for (const { path } of entries.filter(isUnsafe)) home.discard(path);
  for (const { path } of blobs.filter(isUnsafe)) if (!isIntact(path)) home.discard(path);
}

/** An entry without `made` was never complete. */
function readEntries(folder: string): readonly Written[] {
  return listNames(folder).map((name) => {
    const path = `${folder}/${name}`;
    const made = statSync(`${path}/made`, { throwIfNoEntry: false });
    return { path, finishedMs: made?.mtimeMs ?? Number.MAX_SAFE_INTEGER };
  });
}

/** A blob's mtime moves when it is used; only blobs that are also new can be unsafe. */
function readBlobs(folder: string): readonly Written[] {
  return listNames(folder).flatMap((name) => {
    const path = `${folder}/${name}`;
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat === undefined) return [];
    const bornMs = stat.birthtimeMs > 0 ? stat.birthtimeMs + LONGEST_WRITE_MS : stat.mtimeMs;
    return [{ path, finishedMs: Math.min(stat.mtimeMs, bornMs) }];
  });
}

function isIntact(path: string): boolean {
  const [algorithm = '', hex] = path.split('/').slice(-2);
  const hash = createHash(algorithm);
  const buffer = Buffer.allocUnsafeSlow(1 << 20);
  const fd = openSync(path, 'r');
  try {
    for (let bytesRead = 1; bytesRead > 0; ) {
      bytesRead = readSync(fd, buffer);
      hash.update(buffer.subarray(0, bytesRead));
    }
  } finally {
    closeSync(fd);
  }
  return hash.digest('hex') === hex;
}

function isReadOnly(error: unknown): boolean {
  return ['EROFS', 'EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '');
}
