import { ReadableStream } from 'node:stream/web';
import { crc32 } from './crc32.ts';

const STREAM_MAGIC = Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]);
const FOOTER_BYTES = 12;

/**
 * Decodes xz streams, one after the other (xz file format, 2: "Stream Padding" is a multiple of four zero bytes). The
 * decoder reads one stream and does not say where it ended, so the end is looked for in the last bytes that it took: a
 * footer has a checksum of its own.
 */
export async function* decodeXz(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const { XzReadableStream } = await import('xz-decompress');
  const iterator = source[Symbol.asyncIterator]();
  let rest: Buffer = Buffer.alloc(0);
  const refill = async (): Promise<boolean> => {
    const next = await iterator.next();
    if (next.done === true) return false;
    rest = rest.length === 0 ? Buffer.from(next.value) : Buffer.concat([rest, next.value]);
    return true;
  };
  try {
    while (await skipPadding()) {
      // The last two chunks: the decoder may take one more before it sees that it has all.
      let recent: Buffer = Buffer.alloc(0);
      let lastBytes = 0;
      const input = new ReadableStream<Uint8Array>(
        {
          async pull(controller) {
            if (rest.length === 0 && !(await refill())) {
              // The decoder asks once more when it has all; with nothing more to come it tells by itself what is missing.
              controller.close();
              return;
            }
            recent = Buffer.concat([recent.subarray(-FOOTER_BYTES - lastBytes), rest]);
            lastBytes = rest.length;
            controller.enqueue(Uint8Array.from(rest));
            rest = Buffer.alloc(0);
          },
        },
        { highWaterMark: 0 },
      );
      for await (const chunk of new XzReadableStream(input as never) as unknown as AsyncIterable<Uint8Array>)
        yield chunk;
      rest = recent.subarray(endOfStream(recent));
    }
  } finally {
    await iterator.return?.();
  }

  /** Goes to the next stream; false at the end of the input. */
  async function skipPadding(): Promise<boolean> {
    for (;;) {
      const start = rest.findIndex((byte) => byte !== 0);
      rest = start < 0 ? Buffer.alloc(0) : rest.subarray(start);
      if (rest.length >= STREAM_MAGIC.length) break;
      if (!(await refill())) break;
    }
    if (rest.length === 0) return false;
    if (!rest.subarray(0, STREAM_MAGIC.length).equals(STREAM_MAGIC))
      throw new Error('there is something else behind the data');
    return true;
  }
}

/** Where the first stream footer ends: checksum, size of the index, flags, `YZ`. */
function endOfStream(bytes: Buffer): number {
  for (let magic = bytes.indexOf('YZ'); magic >= 0; magic = bytes.indexOf('YZ', magic + 1)) {
    const start = magic + 2 - FOOTER_BYTES;
    if (start >= 0 && bytes.readUInt32LE(start) === crc32(bytes.subarray(start + 4, magic))) return magic + 2;
  }
  throw new Error('the end of the data cannot be found');
}
