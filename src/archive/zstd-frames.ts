import { createByteInput } from './byte-input.ts';

const MAGIC = 0xfd2fb528;
const RAW_DICTIONARY_ID_BYTES = [0, 1, 2, 4] as const;
const CONTENT_SIZE_BYTES = [0, 2, 4, 8] as const;

/**
 * Decodes Zstandard frames one after the other (RFC 8878, 3.1), each with `decodeFrame`. Node's own decoder stops silently
 * after the first frame, and takes data that ends too early for complete: so frames are followed block by block here.
 */
export async function* decodeZstdFrames(
  source: AsyncIterable<Uint8Array>,
  decodeFrame: (frame: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const input = createByteInput(source);
  const need = async (sizeBytes: number): Promise<Buffer> => {
    for (;;) {
      const bytes = input.take(sizeBytes);
      if (bytes !== undefined) return bytes;
      if (!(await input.more())) throw new Error('the data ends too early');
    }
  };
  async function* frame(magic: Buffer): AsyncGenerator<Uint8Array> {
    yield magic;
    const descriptor = Buffer.from(await need(1));
    yield descriptor;
    const flags = descriptor[0]!;
    const isSingleSegment = (flags & 0x20) !== 0;
    const sizeFlag = flags >> 6;
    const contentSize = sizeFlag === 0 && isSingleSegment ? 1 : CONTENT_SIZE_BYTES[sizeFlag as 0 | 1 | 2 | 3];
    const headerBytes = (isSingleSegment ? 0 : 1) + RAW_DICTIONARY_ID_BYTES[(flags & 3) as 0 | 1 | 2 | 3] + contentSize;
    yield Buffer.from(await need(headerBytes));
    for (let isLast = false; !isLast; ) {
      const header = Buffer.from(await need(3));
      const value = header.readUIntLE(0, 3);
      const isRun = ((value >> 1) & 3) === 1;
      yield header;
      yield Buffer.from(await need(isRun ? 1 : value >> 3));
      isLast = (value & 1) !== 0;
    }
    if ((flags & 4) !== 0) yield Buffer.from(await need(4));
  }

  try {
    while (input.isBuffered || (await input.more())) {
      const magic = Buffer.from(await need(4));
      const number = magic.readUInt32LE();
      if ((number & 0xfffffff0) >>> 0 === 0x184d2a50) {
        for (let left = (await need(4)).readUInt32LE(); left > 0; ) left -= (await needSome(left)).length;
      } else if (number === MAGIC) {
        yield* decodeFrame(frame(magic));
      } else {
        throw new Error('there is something else behind the data');
      }
    }
  } finally {
    await input.close();
  }

  async function needSome(maxBytes: number): Promise<Buffer> {
    for (;;) {
      const bytes = input.takeSome(maxBytes);
      if (bytes !== undefined) return bytes;
      if (!(await input.more())) throw new Error('the data ends too early');
    }
  }
}
