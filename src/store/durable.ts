import { closeSync, fsyncSync, openSync, renameSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

/** Writes all bytes to a new file, made durable where asked for. */
export function writeNewFile(path: string, bytes: Uint8Array, options: { readonly durable?: boolean } = {}): void {
  const fd = openSync(path, 'wx', 0o644);
  try {
    writeFully(fd, bytes);
    if (options.durable === true) fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** write(2) may take less than it is given; the rest is written again. */
export function writeFully(fd: number, bytes: Uint8Array): void {
  for (let offset = 0; offset < bytes.length; ) offset += writeSync(fd, bytes, offset);
}

/** Replaces `path` by the file at `temporaryPath`; after a power cut either the old or the new content is there. */
export function renameDurably(temporaryPath: string, path: string): void {
  renameSync(temporaryPath, path);
  syncPath(dirname(path));
}

/** fsync of a file or a directory. */
export function syncPath(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
