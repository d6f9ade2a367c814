import { linkSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, unlinkSync } from 'node:fs';
import { BuildError } from '../core/index.ts';
import { writeNewFile } from './durable.ts';
import type { StorePaths } from './paths.ts';
import { keepReserve } from './reserve.ts';
import { guard, systemCode } from './store-error.ts';
import type { StoreHome } from './store-home.ts';

/** Raised when an older zlayer could no longer read what this one writes. */
const STORE_VERSION = 1;

/** What a store's root may hold while it is being made, or after the making was cut short. */
const OURS = new Set(['buildd', 'oci-layout', 'index.json', 'blobs', 'zlayer', 'lost+found']);

/** An index without entries (image-spec, image-index.md). */
const EMPTY_INDEX = {
  schemaVersion: 2,
  mediaType: 'application/vnd.oci.image.index.v1+json',
  manifests: [],
} as const;

/**
 * Makes sure that a store is there: one small read when it is, otherwise every file is made whole and only if missing, in
 * an order that any number of processes may go through at once and any of them may break off.
 *
 * @throws BuildError `STORE_FOREIGN` for a directory of something else, `STORE_VERSION` for a store of a newer zlayer,
 * `STORE_PERMISSION`, `STORE_FULL`.
 */
export function openLayout(home: StoreHome): void {
  const { paths } = home;
  guard(`open the store ${paths.root}`, () => {
    const version = readVersion(paths);
    if (version === undefined) createLayout(home);
    else if (version > STORE_VERSION) throw tooNew(paths, version);
  });
}

function readVersion(paths: StorePaths): number | undefined {
  try {
    const { version } = JSON.parse(readFileSync(paths.versionFile, 'utf8')) as { version?: unknown };
    return typeof version === 'number' ? version : undefined;
  } catch (error) {
    const code = systemCode(error);
    if (error instanceof SyntaxError || code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}

function createLayout(home: StoreHome): void {
  const { paths } = home;
  mkdirSync(paths.root, { recursive: true, mode: 0o700 });
  refuseForeign(paths.root);
  for (const path of [`${paths.blobs}/sha256`, paths.tmp, paths.trash, paths.leases, paths.areas, paths.records]) {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  }
  mendLayout(home);
  // A version that cannot be read; most often there is none, and rmSync costs more than looking.
  if (statSync(paths.versionFile, { throwIfNoEntry: false }) !== undefined) rmSync(paths.versionFile, { force: true });
  createOnce(home, paths.versionFile, { version: STORE_VERSION });
  keepReserve(home);
  home.rest();
}

function refuseForeign(root: string): void {
  const names = readdirSync(root);
  const foreign = names.find((name) => !OURS.has(name));
  if (foreign === undefined || names.includes('oci-layout')) return;
  throw new BuildError(
    'STORE_FOREIGN',
    `${root} cannot be an image store: it holds other files, such as "${foreign}".`,
    {
      hint: 'Set ZLAYER_DATA_DIR to an empty or new directory.',
    },
  );
}

/**
 * Writes `oci-layout` and `index.json` where they are missing. They are not synced: naming an image makes the index durable,
 * and until then a power cut can only leave them empty, which counts as missing.
 */
export function mendLayout(home: StoreHome): void {
  createOnce(home, home.paths.index, EMPTY_INDEX);
  createOnce(home, home.paths.layoutFile, { imageLayoutVersion: '1.0.0' });
}

/** A link fails where a file is: the first of several processes wins, and nobody ever sees half a file. */
function createOnce(home: StoreHome, path: string, value: unknown): void {
  const sizeBytes = statSync(path, { throwIfNoEntry: false })?.size;
  if (sizeBytes !== undefined && sizeBytes > 0) return;
  const temporaryPath = home.temporaryPath('layout');
  writeNewFile(temporaryPath, Buffer.from(JSON.stringify(value)));
  if (sizeBytes === 0) {
    renameSync(temporaryPath, path);
    return;
  }
  try {
    linkSync(temporaryPath, path);
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error;
  } finally {
    unlinkSync(temporaryPath);
  }
}

function tooNew(paths: StorePaths, version: number): BuildError {
  return new BuildError(
    'STORE_VERSION',
    `The store ${paths.root} has format ${version}; this zlayer reads formats up to ${STORE_VERSION}.`,
    { hint: 'Update zlayer, or set ZLAYER_DATA_DIR to another directory.' },
  );
}
