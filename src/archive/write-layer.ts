import { setImmediate as nextTurn } from 'node:timers/promises';
import { BuildError, textOfPath, throwIfCancelled } from '../core/index.ts';
import { changedContent, createFileCache, type FileCache, openForReading } from './content.ts';
import type { Entry, LayerEntry, LayerItem } from './entry.ts';
import { type ByteSink, createTarEncoder, type TarEncoder } from './tar-encoder.ts';
import type { Toc } from './toc.ts';
import { createTocBuilder } from './toc-builder.ts';
import { isReservedPath, opaquePathOf, whiteoutPathOf } from './whiteout.ts';

export interface WriteLayerOptions {
  /** Later modification times become this one (seconds since the epoch). */
  readonly clampMtime?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A layer as it was written: its table of contents and the size of the uncompressed tar. */
export interface WrittenLayer {
  readonly toc: Toc;
  readonly sizeBytes: number;
}

/** Bytes written between two looks at the event loop: often enough for progress and cancelling, too rare to cost time. */
const BYTES_PER_TURN = 16 << 20;

/**
 * Writes a layer as a deterministic tar (PAX where ustar does not reach): the same items give the same bytes. The order of
 * items is kept. Files are read synchronously into one large buffer; the event loop is served every 16 MiB.
 *
 * @throws BuildError `CONTEXT_INVALID` when a file cannot be read, or changes its size meanwhile; `ARCHIVE_INVALID` for a
 *   name that a layer cannot hold (`.wh.` is reserved for deletions: image-spec, layer.md); `CANCELLED`.
 */
export async function writeLayer(
  items: Iterable<LayerItem> | AsyncIterable<LayerItem>,
  sink: ByteSink,
  options: WriteLayerOptions = {},
): Promise<WrittenLayer> {
  const writer = createLayerWriter(sink, options);
  let turnAt = BYTES_PER_TURN;
  const breathe = async (): Promise<void> => {
    turnAt = writer.position + BYTES_PER_TURN;
    await nextTurn();
    if (options.signal !== undefined) throwIfCancelled(options.signal);
  };
  try {
    if (Symbol.asyncIterator in items) {
      for await (const item of items) {
        writer.add(item);
        if (writer.position >= turnAt) await breathe();
      }
    } else {
      for (const item of items) {
        writer.add(item);
        if (writer.position >= turnAt) await breathe();
      }
    }
    return writer.finish();
  } finally {
    writer.close();
  }
}

/** Writes a layer item by item. `close` must be called in the end, also after an error. */
export interface LayerWriter {
  readonly position: number;
  add(item: LayerItem): void;
  /** Adds a file whose content comes with `append`, up to the next item; exactly `entry.sizeBytes` bytes must come. */
  begin(entry: Entry): void;
  append(bytes: Uint8Array): void;
  finish(): WrittenLayer;
  close(): void;
}

/** The writer behind `writeLayer`, for sources that push. Errors are those of `writeLayer`. */
export function createLayerWriter(sink: ByteSink, options: WriteLayerOptions = {}): LayerWriter {
  const encoder = createTarEncoder(sink);
  const builder = createTocBuilder();
  const files = createFileCache();
  const clamp = options.clampMtime ?? Number.POSITIVE_INFINITY;
  let open: { readonly entry: Entry; readonly end: number } | undefined;

  const endOpen = (): void => {
    if (open === undefined) return;
    const missing = open.end - encoder.position;
    if (missing !== 0) throw wrongLength(open.entry, open.entry.sizeBytes - missing);
    encoder.pad();
    open = undefined;
  };
  const mark = (path: string): void =>
    encoder.header({ path, type: 'file', mode: 0, uid: 0, gid: 0, sizeBytes: 0, mtime: 0 });
  const header = (entry: Entry): void => {
    if (isReservedPath(entry.path)) throw reservedName(entry);
    const mtime = Math.min(Math.floor(entry.mtime), clamp);
    const isWhole = mtime === entry.mtime && entry.nanoseconds === undefined;
    const clamped = isWhole ? entry : { ...entry, mtime, nanoseconds: 0 };
    encoder.header(clamped);
    builder.add(clamped, { offset: encoder.position });
  };

  return {
    get position() {
      return encoder.position;
    },
    add(item) {
      endOpen();
      if ('whiteout' in item) {
        mark(whiteoutPathOf(item.whiteout));
        builder.whiteout(item.whiteout);
      } else if ('opaque' in item) {
        mark(opaquePathOf(item.opaque));
        builder.opaque(item.opaque);
      } else {
        header(item.entry);
        if (item.entry.type === 'file' && item.entry.sizeBytes > 0) copyContent(encoder, files, item);
      }
    },
    begin(entry) {
      endOpen();
      header(entry);
      open = { entry, end: encoder.position + entry.sizeBytes };
    },
    append: (bytes) => encoder.append(bytes),
    finish() {
      endOpen();
      encoder.end();
      return { toc: builder.build(), sizeBytes: encoder.position };
    },
    close: () => files.close(),
  };
}

/** Appends a file's content, which must be exactly as long as its entry says. */
export function copyContent(encoder: TarEncoder, files: FileCache, { entry, content }: LayerEntry): void {
  if (content === undefined) throw wrongLength(entry, 0);
  const source = openForReading(content, entry.sizeBytes, files);
  try {
    const result = encoder.fill(entry.sizeBytes, source.read);
    if (result.kind !== 'exact') {
      throw changedContent(content, entry.sizeBytes, result.kind === 'short' ? result.found : undefined);
    }
  } finally {
    source.close();
  }
  encoder.pad();
}

function wrongLength(entry: Entry, found: number): BuildError {
  return new BuildError(
    'INTERNAL',
    `"${textOfPath(entry.path)}" was announced with ${entry.sizeBytes} bytes, but ${found} came.`,
  );
}

function reservedName(entry: Entry): BuildError {
  return new BuildError(
    'ARCHIVE_INVALID',
    `"${textOfPath(entry.path)}" cannot be put into a layer: names that begin with ".wh." mean deletions there.`,
    { hint: 'Rename the file, or exclude it with .dockerignore.' },
  );
}
