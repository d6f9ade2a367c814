import { COMPRESSION_MAGIC_BYTES, type CompressionKind, decompress, detectCompression } from '../archive/index.ts';

/** A stream whose first bytes were looked at; nothing of it is lost. */
export interface SniffedStream {
  readonly kind: CompressionKind;
  readonly bytes: AsyncIterable<Uint8Array>;
}

/** Looks at the first bytes of a stream to tell how it is compressed. */
export async function sniffCompression(source: AsyncIterable<Uint8Array>): Promise<SniffedStream> {
  const iterator = source[Symbol.asyncIterator]();
  let head: Uint8Array = new Uint8Array(0);
  while (head.length < COMPRESSION_MAGIC_BYTES) {
    const step = await iterator.next();
    if (step.done === true) break;
    head = head.length === 0 ? Buffer.from(step.value) : Buffer.concat([head, step.value]);
  }
  return { kind: detectCompression(head), bytes: resume(head, iterator) };
}

/** Decompresses a stream of any known compression, or none. */
export async function* decompressAny(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const { kind, bytes } = await sniffCompression(source);
  yield* decompress(bytes, kind);
}

async function* resume(head: Uint8Array, iterator: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  let ended = false;
  try {
    if (head.length > 0) yield head;
    for (;;) {
      const step = await iterator.next();
      ended = step.done === true;
      if (step.done === true) return;
      yield step.value;
    }
  } finally {
    if (!ended) await iterator.return?.();
  }
}
