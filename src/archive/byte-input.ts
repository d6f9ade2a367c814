import { damaged } from './tar-header.ts';

/** Reads exact amounts from a stream of chunks, without copying where a chunk holds all that is wanted. */
export interface ByteInput {
  /** How many bytes were taken so far. */
  readonly position: number;
  /** True when bytes can be taken without waiting. */
  readonly isBuffered: boolean;
  /** Exactly `sizeBytes` bytes when they are buffered already; valid until the next call. */
  take(sizeBytes: number): Buffer | undefined;
  /** Up to `maxBytes` of what is buffered; undefined when nothing is. */
  takeSome(maxBytes: number): Buffer | undefined;
  /** Waits for more; false at the end of the stream. */
  more(): Promise<boolean>;
  /** Like `take`, waiting; undefined at the end of the stream. @throws BuildError `ARCHIVE_INVALID` when it ends in between. */
  read(sizeBytes: number): Promise<Buffer | undefined>;
  /** @throws BuildError `ARCHIVE_INVALID` when the stream ends before. */
  skip(sizeBytes: number): Promise<void>;
  /** Stops the source when it is not at its end. */
  close(): Promise<void>;
}

export function createByteInput(source: AsyncIterable<Uint8Array>): ByteInput {
  const iterator = source[Symbol.asyncIterator]();
  const chunks: Buffer[] = [];
  let at = 0;
  let buffered = 0;
  let position = 0;
  let ended = false;

  const advance = (count: number): void => {
    at += count;
    buffered -= count;
    position += count;
    if (at === chunks[0]!.length) {
      chunks.shift();
      at = 0;
    }
  };
  const gather = (sizeBytes: number): Buffer => {
    const result = Buffer.allocUnsafe(sizeBytes);
    for (let filled = 0; filled < sizeBytes; ) {
      const part = input.takeSome(sizeBytes - filled)!;
      filled += part.copy(result, filled);
    }
    return result;
  };
  const truncated = (): Error => damaged(position + buffered, 'the archive ends too early');

  const input: ByteInput = {
    get position() {
      return position;
    },
    get isBuffered() {
      return buffered > 0;
    },
    take(sizeBytes) {
      if (buffered < sizeBytes) return undefined;
      if (sizeBytes === 0) return Buffer.alloc(0);
      const first = chunks[0]!;
      if (first.length - at < sizeBytes) return gather(sizeBytes);
      const result = first.subarray(at, at + sizeBytes);
      advance(sizeBytes);
      return result;
    },
    takeSome(maxBytes) {
      const first = chunks[0];
      if (first === undefined) return undefined;
      const result = first.subarray(at, Math.min(first.length, at + maxBytes));
      advance(result.length);
      return result;
    },
    async more() {
      while (!ended) {
        const next = await iterator.next();
        if (next.done === true) {
          ended = true;
        } else if (next.value.length > 0) {
          const { buffer, byteOffset, length } = next.value;
          chunks.push(Buffer.from(buffer, byteOffset, length));
          buffered += length;
          return true;
        }
      }
      return false;
    },
    async read(sizeBytes) {
      while (buffered < sizeBytes) {
        if (await input.more()) continue;
        if (buffered === 0) return undefined;
        throw truncated();
      }
      return input.take(sizeBytes);
    },
    async skip(sizeBytes) {
      for (let left = sizeBytes; left > 0; ) {
        const part = input.takeSome(left);
        if (part !== undefined) left -= part.length;
        else if (!(await input.more())) throw truncated();
      }
    },
    async close() {
      if (!ended) await iterator.return?.();
      ended = true;
    },
  };
  return input;
}
