import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  COMPRESSION_MAGIC_BYTES,
  type CompressionKind,
  type Content,
  decompress,
  detectCompression,
  readContent,
  readTar,
} from '../../archive/index.ts';
import { isBuildError, type RunContext, throwIfCancelled } from '../../core/index.ts';
import type { Store } from '../../store/index.ts';

/** A file wherever it lies. */
export interface SourceFile {
  readonly content: Content;
  readonly sizeBytes: number;
}

/** An uncompressed tar in a file of the host. */
export interface TarFile {
  readonly path: string;
  /** Removes it when it was made for this; idempotent. */
  close(): Promise<void>;
}

/** Whether a file begins with a readable tar header, once decompressed. */
export async function isTar(file: SourceFile): Promise<boolean> {
  const members = readTar(decompress(streamOf(file), compressionOf(file)));
  try {
    return (await members.next()).done === false;
  } catch (error) {
    if (isBuildError(error, 'ARCHIVE_UNSAFE')) return true;
    if (isBuildError(error, 'ARCHIVE_INVALID')) return false;
    throw error;
  } finally {
    await members.return();
  }
}

/**
 * The file itself when it is an uncompressed one of the host, else an uncompressed copy in a temporary directory of the store.
 *
 * @throws BuildError `ARCHIVE_INVALID` for damaged compressed data, `CANCELLED`.
 */
export async function decompressToFile(store: Store, file: SourceFile, context: RunContext): Promise<TarFile> {
  const { content } = file;
  if (content.kind === 'host-file' && typeof content.path === 'string' && compressionOf(file) === 'none') {
    return { path: content.path, close: () => Promise.resolve() };
  }
  const directory = await store.makeTempDir('add-');
  const path = join(directory, 'archive.tar');
  const close = (): Promise<void> => rm(directory, { recursive: true, force: true });
  try {
    const handle = await open(path, 'wx', 0o600);
    try {
      for await (const chunk of decompress(streamOf(file), compressionOf(file))) {
        throwIfCancelled(context.signal);
        await handle.writeFile(chunk);
      }
    } finally {
      await handle.close();
    }
    return { path, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function compressionOf({ content, sizeBytes }: SourceFile): CompressionKind {
  const start = Buffer.alloc(COMPRESSION_MAGIC_BYTES);
  let length = 0;
  for (const chunk of readContent(content, sizeBytes)) {
    length += chunk.copy(start, length);
    if (length === start.length) break;
  }
  return detectCompression(start.subarray(0, length));
}

async function* streamOf({ content, sizeBytes }: SourceFile): AsyncGenerator<Uint8Array> {
  yield* readContent(content, sizeBytes);
}
