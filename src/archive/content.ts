import { closeSync, constants, openSync, readSync } from 'node:fs';
import { BuildError } from '../core/index.ts';
import type { Content, SparseSegment } from './entry.ts';

const CHUNK_BYTES = 1 << 20;
const MAX_OPEN_FILES = 32;

/** Opens files for reading and keeps those that many entries share (layer tars) open until `close`. */
export interface FileCache {
  open(path: string): number;
  close(): void;
}

export function createFileCache(): FileCache {
  const open = new Map<string, number>();
  return {
    open(path) {
      const known = open.get(path);
      if (known !== undefined) return known;
      if (open.size >= MAX_OPEN_FILES) {
        const [oldest, fd] = open.entries().next().value!;
        open.delete(oldest);
        closeSync(fd);
      }
      const fd = openSync(path, 'r');
      open.set(path, fd);
      return fd;
    },
    close() {
      for (const fd of open.values()) closeSync(fd);
      open.clear();
    },
  };
}

/** A file that is open for reading; `read` behaves like `readSync`, at a place of its own. */
export interface OpenContent {
  read(into: Buffer, at: number, length: number): number;
  close(): void;
}

/** Opens content for reading in order. A host file is never followed through a symlink put there meanwhile. */
export function openContent(content: Content, sizeBytes: number, files: FileCache): OpenContent {
  switch (content.kind) {
    case 'bytes':
      return openBytes(content.bytes);
    case 'host-file': {
      const fd = openSync(content.path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
      return {
        read: (into, at, length) => readSync(fd, into, at, length, null),
        close: () => closeSync(fd),
      };
    }
    case 'range':
      return openRange(files.open(content.file), content.offset, sizeBytes);
    case 'sparse':
      return openSparse(files.open(content.file), content.segments, sizeBytes);
  }
}

function openBytes(bytes: Uint8Array): OpenContent {
  let position = 0;
  return {
    read(into, at, length) {
      const part = bytes.subarray(position, position + length);
      into.set(part, at);
      position += part.length;
      return part.length;
    },
    close: () => {},
  };
}

function openRange(fd: number, offset: number, sizeBytes: number): OpenContent {
  let position = 0;
  return {
    read(into, at, length) {
      const wanted = Math.min(length, sizeBytes - position);
      const count = wanted <= 0 ? 0 : readSync(fd, into, at, wanted, offset + position);
      position += count;
      return count;
    },
    close: () => {},
  };
}

function openSparse(fd: number, segments: readonly SparseSegment[], sizeBytes: number): OpenContent {
  let position = 0;
  let index = 0;
  return {
    read(into, at, length) {
      const wanted = Math.min(length, sizeBytes - position);
      if (wanted <= 0) return 0;
      while (index < segments.length && segments[index]!.offset + segments[index]!.sizeBytes <= position) index++;
      const segment = segments[index];
      const holeEnd = segment === undefined ? sizeBytes : Math.min(segment.offset, sizeBytes);
      if (position < holeEnd) {
        const count = Math.min(wanted, holeEnd - position);
        into.fill(0, at, at + count);
        position += count;
        return count;
      }
      const inside = position - segment!.offset;
      const count = readSync(fd, into, at, Math.min(wanted, segment!.sizeBytes - inside), segment!.fileOffset + inside);
      position += count;
      return count;
    },
    close: () => {},
  };
}

/**
 * The bytes of a file, in chunks of up to 1 MiB, read synchronously as they are taken. A chunk stays valid.
 *
 * @throws BuildError `CONTEXT_INVALID` when a host file is not readable or has not exactly `sizeBytes` bytes.
 */
export function* readContent(content: Content, sizeBytes: number): Generator<Buffer, void, undefined> {
  const files = createFileCache();
  let source: OpenContent | undefined;
  try {
    source = openForReading(content, sizeBytes, files);
    let left = sizeBytes;
    while (left > 0) {
      const chunk = Buffer.allocUnsafe(Math.min(left + 1, CHUNK_BYTES));
      const count = source.read(chunk, 0, chunk.length);
      if (count <= 0 || count > left)
        throw changedContent(content, sizeBytes, count <= 0 ? sizeBytes - left : undefined);
      yield chunk.subarray(0, count);
      left -= count;
    }
  } finally {
    source?.close();
    files.close();
  }
}

/** `openContent` with system errors turned into `CONTEXT_INVALID`. */
export function openForReading(content: Content, sizeBytes: number, files: FileCache): OpenContent {
  try {
    return openContent(content, sizeBytes, files);
  } catch (error) {
    throw new BuildError('CONTEXT_INVALID', `"${contentName(content)}" cannot be read: ${(error as Error).message}`, {
      cause: error,
      hint: 'Check that the file still exists and that you may read it, or exclude it with .dockerignore.',
    });
  }
}

/** The error for a file that is not as long as it was when it was listed; `found` is undefined for one that grew. */
export function changedContent(content: Content, sizeBytes: number, found: number | undefined): BuildError {
  const how = found === undefined ? `more than ${sizeBytes}` : `only ${found} of ${sizeBytes}`;
  return new BuildError(
    'CONTEXT_INVALID',
    `"${contentName(content)}" changed while it was read: it has ${how} bytes.`,
    { hint: 'Build again when nothing writes to the file, or exclude it with .dockerignore.' },
  );
}

function contentName(content: Content): string {
  switch (content.kind) {
    case 'bytes':
      return '(bytes in memory)';
    case 'host-file':
      return String(content.path);
    case 'range':
    case 'sparse':
      return content.file;
  }
}
