import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import zlib from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BuildError } from '../core/index.ts';
import { crc32BySlices } from './crc32.ts';
import {
  type CompressionKind,
  canCompressZstd,
  compressGzip,
  compressZstd,
  decompress,
  detectCompression,
} from './index.ts';

async function* chunked(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of source) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

/** Text that compresses, noise that does not, and a long run of zeros; beyond the chunk size of every decoder. */
const sample = Buffer.concat([
  Buffer.from('the quick brown fox jumps over the lazy dog\n'.repeat(40_000)),
  randomBytes(300_000),
  Buffer.alloc(1_500_000),
]);

const TOOLS = [
  ['gzip', 'gzip'],
  ['bzip2', 'bzip2'],
  ['xz', 'xz'],
  ['zstd', 'zstd'],
] as const satisfies ReadonlyArray<readonly [CompressionKind, string]>;

function compressWith(tool: string, bytes: Buffer): Buffer | undefined {
  try {
    return execFileSync(tool, ['-c'], { input: bytes, maxBuffer: 1 << 30 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

describe('decompress()', () => {
  describe.each(TOOLS)('%s', (kind, tool) => {
    const compressed = compressWith(tool, sample);
    if (compressed === undefined && process.env.CI === 'true') throw new Error(`${tool} is not installed`);
    const run = it.skipIf(compressed === undefined);

    run('gives back what the tool compressed', async () => {
      expect(detectCompression(compressed!)).toBe(kind);
      for (const size of [1000, 1 << 20]) {
        expect((await collect(decompress(chunked(compressed!, size), kind))).equals(sample)).toBe(true);
      }
    });

    run('reads several streams one after the other', async () => {
      const twice = Buffer.concat([compressed!, compressWith(tool, Buffer.from('more'))!]);
      const expected = Buffer.concat([sample, Buffer.from('more')]);
      for (const size of [777, 1 << 20]) {
        expect((await collect(decompress(chunked(twice, size), kind))).equals(expected)).toBe(true);
      }
    });

    run('can be left after the first piece of a small file', async () => {
      const small = Buffer.from('small\n'.repeat(100));
      const pieces = decompress(chunked(compressWith(tool, small)!, 1 << 20), kind);
      const first = await pieces.next();
      expect(Buffer.from(first.value as Uint8Array).toString()).toContain('small');
      await expect(pieces.return()).resolves.toMatchObject({ done: true });
    });

    run.each([0.01, 0.5, 0.99])('refuses data that ends after %d of it', async (part) => {
      const short = compressed!.subarray(0, Math.floor(compressed!.length * part));
      await expect(collect(decompress(chunked(short, 4096), kind))).rejects.toMatchObject({ code: 'ARCHIVE_INVALID' });
    });

    run('refuses data that is no such data', async () => {
      const wrong = Buffer.concat([compressed!.subarray(0, 20), randomBytes(100_000)]);
      await expect(collect(decompress(chunked(wrong, 4096), kind))).rejects.toMatchObject({ code: 'ARCHIVE_INVALID' });
    });

    run('passes on an error of the source', async () => {
      const failure = new BuildError('REGISTRY_UNAVAILABLE', 'gone');
      async function* failing(): AsyncGenerator<Uint8Array> {
        yield compressed!.subarray(0, 1000);
        throw failure;
      }
      await expect(collect(decompress(failing(), kind))).rejects.toBe(failure);
    });

    run('stops the source when it is left early', async () => {
      let stopped = false;
      async function* endless(): AsyncGenerator<Uint8Array> {
        try {
          for (;;) yield* chunked(compressed!, 1 << 16);
        } finally {
          stopped = true;
        }
      }
      for await (const _ of decompress(endless(), kind)) break;
      await new Promise((resolve) => setImmediate(resolve));
      expect(stopped).toBe(true);
    });

    run('gives nothing for compressed nothing', async () => {
      const nothing = compressWith(tool, Buffer.alloc(0))!;
      expect(await collect(decompress(chunked(nothing, 5), kind))).toHaveLength(0);
    });
  });

  it('passes uncompressed data through', async () => {
    expect(await collect(decompress(chunked(Buffer.from('abc'), 2), 'none'))).toEqual(Buffer.from('abc'));
  });
});

describe('detectCompression()', () => {
  it.each([
    ['a skippable zstd frame', [0x5e, 0x2a, 0x4d, 0x18], 'zstd'],
    ['nothing', [], 'none'],
    ['half a magic number', [0x1f, 0x8b], 'none'],
    ['a zip archive', [0x50, 0x4b, 0x03, 0x04], 'none'],
  ])('reads %s', (_, bytes, expected) => {
    expect(detectCompression(Uint8Array.from(bytes))).toBe(expected);
  });
});

describe('compressGzip()', () => {
  it('makes one member that gzip reads, with neither name nor time', async () => {
    const compressed = await collect(compressGzip(chunked(sample, 10_000)));
    expect(execFileSync('gzip', ['-dc'], { input: compressed, maxBuffer: 1 << 30 }).equals(sample)).toBe(true);
    expect(compressed.subarray(0, 10).toString('hex')).toBe('1f8b08000000000000ff');
    // inflateRawSync stops at the end of the first member: all must be in it.
    expect(zlib.inflateRawSync(compressed.subarray(10, -8)).equals(sample)).toBe(true);
  });

  it('makes the same bytes at any concurrency and from any chunks', async () => {
    const one = await collect(compressGzip(chunked(sample, 1 << 20), { concurrency: 1 }));
    const many = await collect(compressGzip(chunked(sample, 333), { concurrency: 8 }));
    expect(many.equals(one)).toBe(true);
  });

  it('stores what does not get smaller, and compresses what follows it', async () => {
    const noise = randomBytes(2 << 20);
    const text = Buffer.from('the same line again\n'.repeat(60_000));
    const bytes = Buffer.concat([noise, text, noise.subarray(0, 5)]);
    const compressed = await collect(compressGzip(chunked(bytes, 77_777), { level: 4 }));
    // The first block: stored, as long as one can be, and byte for byte (RFC 1951, 3.2.4).
    expect(compressed.subarray(10, 15).toString('hex')).toBe('00ffff0000');
    expect(compressed.subarray(15, 15 + 0xffff).equals(noise.subarray(0, 0xffff))).toBe(true);
    expect(compressed.length).toBeLessThan(noise.length + text.length / 50);
    expect(zlib.gunzipSync(compressed).equals(bytes)).toBe(true);
    expect(execFileSync('gzip', ['-dc'], { input: compressed, maxBuffer: 1 << 30 }).equals(bytes)).toBe(true);
  });

  it('takes no source for an empty member', async () => {
    expect(zlib.gunzipSync(await collect(compressGzip(chunked(Buffer.alloc(0), 1))))).toHaveLength(0);
  });

  it('gives back any bytes at any level', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 5000 }), fc.integer({ min: 1, max: 9 }), async (bytes, level) => {
        const compressed = await collect(compressGzip(chunked(bytes, 512), { level }));
        expect(zlib.gunzipSync(compressed).equals(bytes)).toBe(true);
      }),
      { numRuns: 50 },
    );
  });
});

describe('compressZstd()', () => {
  it.skipIf(canCompressZstd())('says which Node.js is needed where this one lacks it', async () => {
    await expect(collect(compressZstd(chunked(sample, 1000)))).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      hint: expect.stringContaining('22.15'),
    });
  });

  it.runIf(canCompressZstd())('makes a frame that decompresses to the same', async () => {
    const compressed = await collect(compressZstd(chunked(sample, 1000)));
    expect((await collect(decompress(chunked(compressed, 1000), 'zstd'))).equals(sample)).toBe(true);
  });
});

describe('crc32BySlices()', () => {
  it('equals the built-in one, in pieces too', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.uint8Array({ maxLength: 100 }), (a, b) => {
        expect(crc32BySlices(b, crc32BySlices(a))).toBe(zlib.crc32(Buffer.concat([a, b])));
      }),
    );
  });
});
