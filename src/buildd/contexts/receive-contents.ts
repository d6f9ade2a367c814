import { createHash, type Hash } from 'node:crypto';
import { closeSync, fstatSync, openSync, rmSync, statSync, writeSync } from 'node:fs';
import { BuildError } from '../../core/index.ts';
import { type ContentFolder, digestOfFile } from './content-folder.ts';

/** A piece of a file's content on its way to the daemon. */
export interface ContentPiece {
  /** sha256 of the whole content, in hex. */
  readonly digest: string;
  readonly offset: number;
  readonly data: Uint8Array;
  readonly last: boolean;
}

export interface ReceivedContents {
  readonly contents: number;
  readonly bytes: number;
}

/** What uploads of one client share. */
export interface Uploads {
  readonly folder: ContentFolder;
  /** Directory of contents that are not complete. */
  readonly partialDirectory: string;
  /** Contents that a stream is sending, with what ends when it has sent them or broken off. */
  readonly active: Map<string, Promise<void>>;
  /** Called before bytes are kept. @throws BuildError when there is no room for them. */
  readonly reserve: (bytes: number) => void;
}

/** Bytes of a content that are here already, from an upload that was broken off. */
export function receivedBytes(uploads: Uploads, digest: string): number {
  return statSync(partialPath(uploads, digest), { throwIfNoEntry: false })?.size ?? 0;
}

/**
 * Takes a stream of contents, one after the other. What has arrived when the stream breaks off is kept, and continued by
 * the next upload. Two streams with the same content at once: the second waits for the first, and is then read over.
 *
 * @throws BuildError `CONTEXT_INVALID` for bytes that are not those of the digest, or do not continue what is here.
 */
export async function receiveContents(
  uploads: Uploads,
  pieces: AsyncIterable<ContentPiece>,
): Promise<ReceivedContents> {
  let current: Receiver | undefined;
  let contents = 0;
  let bytes = 0;
  try {
    for await (const piece of pieces) {
      if (current !== undefined && current.digest !== piece.digest) {
        throw new BuildError('CONTEXT_INVALID', `The content ${current.digest} ended before its last piece.`);
      }
      current ??= await openReceiver(uploads, piece.digest);
      bytes += piece.data.length;
      current.write(piece);
      if (!piece.last) continue;
      current.finish();
      current = undefined;
      contents += 1;
    }
  } finally {
    current?.close();
  }
  return { contents, bytes };
}

interface Receiver {
  readonly digest: string;
  write(piece: ContentPiece): void;
  /** Verifies, and makes it a content. */
  finish(): void;
  /** Keeps what is here for another upload. */
  close(): void;
}

async function openReceiver(uploads: Uploads, digest: string): Promise<Receiver> {
  if (!/^[0-9a-f]{64}$/.test(digest))
    throw new BuildError('CONTEXT_INVALID', 'An uploaded content has no sha256 digest.');
  for (let other = uploads.active.get(digest); other !== undefined; other = uploads.active.get(digest)) await other;
  let release = (): void => undefined;
  uploads.active.set(
    digest,
    new Promise((resolve) => {
      release = () => {
        uploads.active.delete(digest);
        resolve();
      };
    }),
  );
  try {
    const isHere = (await uploads.folder.find(digest)) !== undefined;
    return isHere ? createReadOver(digest, release) : await createReceiver(uploads, digest, release);
  } catch (error) {
    release();
    throw error;
  }
}

/** For a content that somebody else has sent meanwhile. */
function createReadOver(digest: string, release: () => void): Receiver {
  return { digest, write: () => undefined, finish: release, close: release };
}

async function createReceiver(uploads: Uploads, digest: string, release: () => void): Promise<Receiver> {
  const path = partialPath(uploads, digest);
  const fd = openSync(path, 'a', 0o600);
  let size = fstatSync(fd).size;
  let hash: Hash = size === 0 ? createHash('sha256') : await digestOfFile(path);
  let isOpen = true;
  const close = (): void => {
    if (isOpen) closeSync(fd);
    isOpen = false;
    release();
  };
  return {
    digest,
    close,
    write: ({ offset, data }) => {
      if (offset !== size) throw wrongOffset({ digest, offset, size });
      uploads.reserve(data.length);
      for (let at = 0; at < data.length; ) at += writeSync(fd, data, at);
      hash.update(data);
      size += data.length;
    },
    finish: () => {
      const actual = hash.digest('hex');
      hash = createHash('sha256');
      closeSync(fd);
      isOpen = false;
      if (actual === digest) uploads.folder.adopt(path, digest);
      // Something is wrong with the bytes: going on from them would never succeed.
      else rmSync(path, { force: true });
      release();
      if (actual !== digest) {
        throw new BuildError('CONTEXT_INVALID', `The uploaded content ${digest} has the digest ${actual}.`, {
          hint: 'The file may have changed while it was sent. Run the build again.',
        });
      }
    },
  };
}

function wrongOffset({
  digest,
  offset,
  size,
}: {
  readonly digest: string;
  readonly offset: number;
  readonly size: number;
}) {
  return new BuildError(
    'CONTEXT_INVALID',
    `The uploaded content ${digest} goes on at byte ${offset}, but ${size} bytes of it are here.`,
    { hint: 'Offer the tree again: the answer tells where to go on.' },
  );
}

function partialPath({ partialDirectory }: Uploads, digest: string): string {
  return `${partialDirectory}/${digest}`;
}
