import { type ByteInput, createByteInput } from './byte-input.ts';
import type { Entry } from './entry.ts';
import type { SparseRegion } from './sparse.ts';
import { damaged } from './tar-header.ts';
import { paddedSize, parseTarMembers, type TarMember } from './tar-members.ts';

/** A member of an archive that is being read. */
export interface TarEntry {
  /** Whiteouts of layers are plain files here, by their names. */
  readonly entry: Entry;
  /** Offset of the stored content in the uncompressed archive. */
  readonly offset: number;
  /**
   * The content, holes filled in: `entry.sizeBytes` bytes. It can be read once, before the next member is asked for; what
   * is not read is passed over. Chunks are valid until the next one is asked for.
   */
  readonly body: AsyncIterable<Uint8Array>;
  /** The whole content at once when it has arrived already (small files mostly have); then `body` is empty. */
  takeBuffered(): Uint8Array | undefined;
}

/** Zeros given out for holes; nobody writes into a chunk that it was given. */
const ZEROS = Buffer.alloc(64 << 10);

/**
 * Reads an uncompressed tar archive of any dialect as a stream, in bounded memory. After the end mark the source is read
 * to its end, so that digests over it are complete.
 *
 * @throws BuildError `ARCHIVE_INVALID` with the offset of the damage; `ARCHIVE_UNSAFE` for a name with `..`.
 */
export async function* readTar(source: AsyncIterable<Uint8Array>): AsyncGenerator<TarEntry, void, undefined> {
  const input = createByteInput(source);
  const steps = parseTarMembers();
  try {
    let answer: Buffer | undefined;
    for (;;) {
      const step = steps.next(answer);
      if (step.done === true) break;
      const request = step.value;
      if (request.kind === 'read') {
        answer = input.take(request.sizeBytes) ?? (await input.read(request.sizeBytes));
      } else if (request.kind === 'skip') {
        await input.skip(request.sizeBytes);
      } else {
        const { member } = request;
        yield toEntry(member, input);
        const left = member.offset + paddedSize(member.storedBytes) - input.position;
        if (left > 0 && input.take(left) === undefined) await input.skip(left);
      }
    }
    while ((await input.more()) || input.takeSome(1 << 30) !== undefined) input.takeSome(1 << 30);
  } finally {
    await input.close();
  }
}

function toEntry(member: TarMember, input: ByteInput): TarEntry {
  const { entry, offset, storedBytes, regions } = member;
  return {
    entry,
    offset,
    body: {
      [Symbol.asyncIterator]: () =>
        regions === undefined
          ? storedContent(input, offset, storedBytes)
          : sparseContent(input, regions, { offset, sizeBytes: entry.sizeBytes }),
    },
    takeBuffered: () =>
      regions === undefined && input.position === offset && entry.type === 'file' ? input.take(storedBytes) : undefined,
  };
}

async function* storedContent(input: ByteInput, offset: number, storedBytes: number): AsyncGenerator<Buffer> {
  let left = offset + storedBytes - input.position;
  while (left > 0) {
    const part = input.takeSome(left);
    if (part !== undefined) {
      left -= part.length;
      yield part;
    } else if (!(await input.more())) {
      throw damaged(input.position, 'the archive ends inside the content of a file');
    }
  }
}

async function* sparseContent(
  input: ByteInput,
  regions: readonly SparseRegion[],
  file: { readonly offset: number; readonly sizeBytes: number },
): AsyncGenerator<Buffer> {
  let position = 0;
  let stored = file.offset;
  for (const region of [...regions, { offset: file.sizeBytes, sizeBytes: 0 }]) {
    for (; position < region.offset; position += ZEROS.length) yield ZEROS.subarray(0, region.offset - position);
    yield* storedContent(input, stored, region.sizeBytes);
    stored += region.sizeBytes;
    position = region.offset + region.sizeBytes;
  }
}
