import type { Readable } from 'node:stream';
import { BuildError } from '../../core/index.ts';

/** Standard input with its first bytes looked at. `bytes` gives everything, those first bytes too. */
export interface SniffedInput {
  readonly isArchive: boolean;
  readonly bytes: AsyncIterable<Uint8Array>;
}

/** A tar header has its magic at 257; every compression is known by its first six bytes. */
const SNIFF_BYTES = 512;
const TAR_MAGIC_OFFSET = 257;
const COMPRESSIONS: readonly (readonly number[])[] = [
  [0x1f, 0x8b, 0x08],
  [0x42, 0x5a, 0x68],
  [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00],
  [0x28, 0xb5, 0x2f, 0xfd],
];
/** Far above any real one; a mistaken `zlayer build - < disk.img` ends here. */
const MAX_DOCKERFILE_BYTES = 16 * 2 ** 20;

/**
 * Tells a tar (plain or compressed) from text by its first bytes, as `docker build -` does.
 *
 * @throws BuildError `CONTEXT_INVALID` when nothing comes.
 */
export async function sniffInput(stdin: Readable): Promise<SniffedInput> {
  const iterator = stdin[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  while (sizeBytes < SNIFF_BYTES) {
    const next = await iterator.next();
    if (next.done === true) break;
    chunks.push(Buffer.from(next.value));
    sizeBytes += next.value.length;
  }
  const head = Buffer.concat(chunks);
  if (head.length === 0) {
    throw new BuildError('CONTEXT_INVALID', 'Standard input is empty: it should be a Dockerfile or a tar.', {
      hint: 'Use `zlayer build - < Dockerfile`, `tar c . | zlayer build -`, or `zlayer build .`.',
    });
  }
  return { isArchive: isArchive(head), bytes: replay(head, iterator) };
}

function isArchive(head: Buffer): boolean {
  if (COMPRESSIONS.some((magic) => magic.every((byte, index) => head[index] === byte))) return true;
  return head.toString('latin1', TAR_MAGIC_OFFSET, TAR_MAGIC_OFFSET + 5) === 'ustar';
}

async function* replay(head: Buffer, rest: AsyncIterator<Buffer>): AsyncGenerator<Uint8Array> {
  try {
    yield head;
    for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value;
  } finally {
    await rest.return?.();
  }
}

/**
 * The whole of an input as a Dockerfile's text.
 *
 * @throws BuildError `DOCKERFILE_INVALID` when it is too large to be one.
 */
export async function readDockerfileText(bytes: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of bytes) {
    sizeBytes += chunk.length;
    if (sizeBytes > MAX_DOCKERFILE_BYTES) {
      throw new BuildError('DOCKERFILE_INVALID', 'Standard input is too large to be a Dockerfile (more than 16 MiB).');
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
