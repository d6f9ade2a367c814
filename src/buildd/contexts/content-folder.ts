import { createHash, type Hash } from 'node:crypto';
import { chmodSync, createReadStream, mkdirSync, readdirSync, renameSync, rmSync, type Stats, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { systemCode } from './system-code.ts';

/**
 * File contents of one client by sha256, each once and verified. A content that a tree links to has that tree's mode and
 * mtime; one that no tree links to is free to get another.
 */
export interface ContentFolder {
  /** Where a content lies, whether or not it is there. */
  path(digest: string): string;
  stat(digest: string): Stats | undefined;
  /** As `stat`; a content from before the last boot is read and verified first, since a power cut may have damaged it. */
  find(digest: string): Promise<Stats | undefined>;
  /** Takes a complete and verified file in. */
  adopt(file: string, digest: string): void;
  /** Counts a content that no tree is linked to as just used. */
  keep(digest: string): void;
  remove(digest: string): void;
  /** Every content that is here. */
  list(): IterableIterator<{ readonly digest: string; readonly stats: Stats; readonly isOld: boolean }>;
}

export interface ContentFolderPlaces {
  readonly directory: string;
  /** Contents written before the last boot. */
  readonly oldDirectory: string;
}

export function createContentFolder({ directory, oldDirectory }: ContentFolderPlaces): ContentFolder {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const path = (digest: string): string => pathBelow(directory, digest);
  const stat = (digest: string): Stats | undefined => statSync(path(digest), { throwIfNoEntry: false });
  const adopt = (file: string, digest: string): void => moveInto(file, path(digest));
  return {
    path,
    stat,
    adopt,
    find: async (digest) => {
      const known = stat(digest);
      if (known !== undefined) return known;
      const old = pathBelow(oldDirectory, digest);
      if (statSync(old, { throwIfNoEntry: false }) === undefined) return undefined;
      if ((await digestOfFile(old)).digest('hex') !== digest) rmSync(old, { force: true });
      else adopt(old, digest);
      return stat(digest);
    },
    keep: (digest) => {
      const stats = stat(digest);
      // Any change of metadata moves the ctime, by which garbage collection judges.
      if (stats?.nlink === 1) chmodSync(path(digest), stats.mode & 0o7777);
    },
    remove: (digest) => {
      rmSync(path(digest), { force: true });
      rmSync(pathBelow(oldDirectory, digest), { force: true });
    },
    *list() {
      yield* contentsIn(directory, false);
      yield* contentsIn(oldDirectory, true);
    },
  };
}

function moveInto(file: string, target: string): void {
  try {
    renameSync(file, target);
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error;
    mkdirSync(dirname(target), { recursive: true, mode: 0o700 });
    renameSync(file, target);
  }
}

/** The running sha256 of a file's content. */
export async function digestOfFile(path: string): Promise<Hash> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), async (chunks) => {
    for await (const chunk of chunks) hash.update(chunk as Buffer);
  });
  return hash;
}

function pathBelow(directory: string, digest: string): string {
  return `${directory}/${digest.slice(0, 2)}/${digest}`;
}

function* contentsIn(
  directory: string,
  isOld: boolean,
): IterableIterator<{ readonly digest: string; readonly stats: Stats; readonly isOld: boolean }> {
  for (const folder of namesIn(directory)) {
    for (const digest of namesIn(`${directory}/${folder}`)) {
      const stats = statSync(`${directory}/${folder}/${digest}`, { throwIfNoEntry: false });
      if (stats !== undefined) yield { digest, stats, isOld };
    }
  }
}

/** Names in a directory; none when it is not there. */
export function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  }
}
