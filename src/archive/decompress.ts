import { pipeline, Readable, type Transform } from 'node:stream';
import { ReadableStream } from 'node:stream/web';
import { createGunzip } from 'node:zlib';
import { BuildError, isBuildError } from '../core/index.ts';
import type { CompressionKind } from './compression.ts';
import { findZlibZstd } from './zlib-zstd.ts';
import { decodeZstdFrames } from './zstd-frames.ts';

const OUTPUT_CHUNK_BYTES = 256 << 10;
/** Decoders that give out all at once get this much at a time: a few bytes may stand for 128 KiB. */
const INPUT_SLICE_BYTES = 1 << 10;
/** Largest window that we give memory to: what `zstd --long=27` makes, and every decoder must take. */
const ZSTD_WINDOW_LOG_MAX = 27;

/**
 * Decompresses a stream, in bounded memory: gzip with several members, bzip2 and xz with several streams, zstd with several
 * frames.
 *
 * @throws BuildError `ARCHIVE_INVALID` when the bytes are damaged or end too early; errors of the source are passed on.
 */
export async function* decompress(
  source: AsyncIterable<Uint8Array>,
  kind: CompressionKind,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (kind === 'none') {
    yield* source;
    return;
  }
  const watched = watchErrors(source);
  try {
    yield* decode(watched.source, kind);
  } catch (error) {
    if (watched.failed()) throw watched.error();
    if (isBuildError(error)) throw error;
    throw new BuildError('ARCHIVE_INVALID', `The ${kind} data cannot be decompressed: ${(error as Error).message}.`, {
      cause: error,
      hint: 'The data is incomplete or damaged.',
    });
  }
}

function decode(source: AsyncIterable<Uint8Array>, kind: Exclude<CompressionKind, 'none'>): AsyncIterable<Uint8Array> {
  switch (kind) {
    case 'gzip':
      return throughTransform(source, createGunzip({ chunkSize: OUTPUT_CHUNK_BYTES }));
    case 'bzip2':
      return decodeByPush(source, createBzip2Decoder);
    case 'xz':
      return decodeXz(source);
    case 'zstd': {
      const zlib = findZlibZstd();
      if (zlib === undefined) return decodeByPush(source, createZstdDecoder);
      const params = { [zlib.constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG_MAX };
      return decodeZstdFrames(source, (frame) => throughTransform(frame, zlib.createZstdDecompress({ params })));
    }
  }
}

/** Remembers the source's own error, which must not be taken for damaged data. */
function watchErrors(source: AsyncIterable<Uint8Array>): {
  readonly source: AsyncIterable<Uint8Array>;
  failed(): boolean;
  error(): unknown;
} {
  let failure: { readonly error: unknown } | undefined;
  async function* watch(): AsyncGenerator<Uint8Array> {
    const iterator = source[Symbol.asyncIterator]();
    const next = (): Promise<IteratorResult<Uint8Array>> =>
      iterator.next().catch((error: unknown) => {
        failure = { error };
        throw error;
      });
    try {
      for (let step = await next(); step.done !== true; step = await next()) yield step.value;
    } finally {
      if (failure === undefined) await iterator.return?.();
    }
  }
  return { source: watch(), failed: () => failure !== undefined, error: () => failure?.error };
}

/** Passes a stream through a transform that works on libuv's threads. */
export async function* throughTransform(
  source: AsyncIterable<Uint8Array>,
  transform: Transform,
): AsyncGenerator<Uint8Array> {
  const readable = Readable.from(source, { objectMode: true, highWaterMark: 2 });
  // Errors reach the reader below through the transform, which `pipeline` destroys with them.
  pipeline(readable, transform, () => {});
  try {
    yield* transform as AsyncIterable<Uint8Array>;
  } finally {
    transform.destroy();
  }
}

async function* decodeXz(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  // CommonJS whose names Node does not see: they are in the default export alone.
  const { default: xz } = await import('xz-decompress');
  const iterator = source[Symbol.asyncIterator]();
  const input = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const next = await iterator.next();
        if (next.done === true) controller.close();
        // The decoder keeps a chunk over several reads, while ours may be used again.
        else controller.enqueue(Uint8Array.from(next.value));
      },
    },
    { highWaterMark: 0 },
  );
  const reader = new xz.XzReadableStream(input as never).getReader() as ReadableStreamDefaultReader<Uint8Array>;
  try {
    for (let step = await reader.read(); !step.done; step = await reader.read()) yield step.value;
  } finally {
    // The decoder runs ahead, and throws when it is cancelled after it has decoded everything.
    await reader.cancel().catch(() => undefined);
    await iterator.return?.();
  }
}

/** A decoder that gives out what it decodes at once, through `emit`. */
interface PushDecoder {
  push(bytes: Uint8Array): void;
  end(): void;
}

async function* decodeByPush(
  source: AsyncIterable<Uint8Array>,
  create: (emit: (bytes: Uint8Array) => void) => Promise<PushDecoder>,
): AsyncGenerator<Uint8Array> {
  let decoded: Uint8Array[] = [];
  const take = (): readonly Uint8Array[] => {
    const taken = decoded;
    decoded = [];
    return taken;
  };
  const decoder = await create((bytes) => void decoded.push(bytes));
  for await (const chunk of source) {
    for (let at = 0; at < chunk.length; at += INPUT_SLICE_BYTES) {
      decoder.push(chunk.subarray(at, at + INPUT_SLICE_BYTES));
      if (decoded.length > 0) yield* take();
    }
  }
  decoder.end();
  yield* take();
}

async function createZstdDecoder(emit: (bytes: Uint8Array) => void): Promise<PushDecoder> {
  const { Decompress } = await import('fzstd');
  const decoder = new Decompress((bytes) => {
    if (bytes.length > 0) emit(Uint8Array.from(bytes));
  });
  return {
    // It keeps what it is given until a block is complete, while our chunks may be used again.
    push: (bytes) => decoder.push(Uint8Array.from(bytes)),
    end: () => decoder.push(new Uint8Array(0), true),
  };
}

async function createBzip2Decoder(emit: (bytes: Uint8Array) => void): Promise<PushDecoder> {
  const { default: unbzip2Stream } = await import('unbzip2-stream');
  const stream = unbzip2Stream();
  let failure: Error | undefined;
  stream.on('data', emit);
  stream.on('error', (error) => {
    failure ??= error;
  });
  const check = (): void => {
    if (failure !== undefined) throw failure;
  };
  return {
    push(bytes) {
      stream.write(Buffer.from(bytes));
      check();
    },
    end() {
      stream.end();
      check();
    },
  };
}
