import { createCipheriv, createHash } from 'node:crypto';
import { createRandom } from '../test/support/random.ts';

const WORDS =
  'const let function return import export async await value index data result error buffer stream layer digest config image module require promise path file'.split(
    ' ',
  );

/** Words and numbers in lines, the same for the same seed; gzip makes about a third of them. */
export function makeText(seed: number, sizeBytes: number): Buffer {
  const random = createRandom(seed);
  const pick = (count: number): number => Math.floor(random() * count);
  const lines: string[] = [];
  for (let size = 0; size < sizeBytes; ) {
    const line = `${Array.from({ length: 4 + pick(9) }, () => `${WORDS[pick(WORDS.length)]}${pick(100)}`).join(' ')}\n`;
    lines.push(line);
    size += line.length;
  }
  return Buffer.from(lines.join('')).subarray(0, sizeBytes);
}

/** Bytes that no compressor makes smaller, the same for the same seed. */
export function makeNoise(seed: number, sizeBytes: number): Buffer {
  const key = createHash('sha256').update(`noise ${seed}`).digest();
  return createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(sizeBytes));
}
