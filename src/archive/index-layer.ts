import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import type { SparseSegment } from './entry.ts';
import { damaged } from './tar-header.ts';
import { paddedSize, parseTarMembers, type TarMember } from './tar-members.ts';
import type { Toc } from './toc.ts';
import { createTocBuilder } from './toc-builder.ts';
import { parseWhiteoutName } from './whiteout.ts';

export interface IndexLayerOptions {
  /** False for an archive that is no layer: names that begin with `.wh.` are then plain files. Default true. */
  readonly whiteouts?: boolean;
}

/** Read at once: small files are passed over inside the window, large ones by moving it. */
const WINDOW_BYTES = 256 << 10;

/**
 * Makes the table of contents of a layer that lies uncompressed in a file. Synchronous; only headers are looked at.
 *
 * @throws BuildError `ARCHIVE_INVALID`, `ARCHIVE_UNSAFE`.
 */
export function indexLayer(path: string, options: IndexLayerOptions = {}): Toc {
  const builder = createTocBuilder();
  const fd = openSync(path, 'r');
  try {
    const window = createWindow(fd);
    const steps = parseTarMembers();
    let answer: Buffer | undefined;
    for (;;) {
      const step = steps.next(answer);
      if (step.done === true) return builder.build();
      const request = step.value;
      if (request.kind === 'read') {
        answer = window.read(request.sizeBytes);
      } else if (request.kind === 'skip') {
        window.moveTo(window.position() + request.sizeBytes);
      } else {
        addMember(builder, request.member, options.whiteouts ?? true);
        window.moveTo(request.member.offset + paddedSize(request.member.storedBytes));
      }
    }
  } finally {
    closeSync(fd);
  }
}

/** Adds a member to a table, reading its name as a whiteout where `whiteouts` says so. */
export function addMember(builder: ReturnType<typeof createTocBuilder>, member: TarMember, whiteouts: boolean): void {
  const { entry, offset, regions } = member;
  const whiteout = whiteouts ? parseWhiteoutName(entry.path) : undefined;
  if (whiteout?.kind === 'whiteout') builder.whiteout(whiteout.path);
  else if (whiteout?.kind === 'opaque') builder.opaque(whiteout.path);
  else if (whiteout === undefined) builder.add(entry, { offset, segments: segmentsOf(regions, offset) });
}

function segmentsOf(regions: TarMember['regions'], start: number): readonly SparseSegment[] | undefined {
  let fileOffset = start;
  return regions
    ?.map(({ offset, sizeBytes }) => {
      const segment = { offset, sizeBytes, fileOffset };
      fileOffset += sizeBytes;
      return segment;
    })
    .filter(({ sizeBytes }) => sizeBytes > 0);
}

interface Window {
  position(): number;
  /** Undefined at the end of the file; the bytes are valid until the next call. */
  read(sizeBytes: number): Buffer | undefined;
  moveTo(position: number): void;
}

function createWindow(fd: number): Window {
  const fileBytes = fstatSync(fd).size;
  let buffer = Buffer.allocUnsafeSlow(Math.min(WINDOW_BYTES, fileBytes + 1));
  let start = 0;
  let length = 0;
  let position = 0;

  const load = (sizeBytes: number): void => {
    if (sizeBytes > buffer.length) buffer = Buffer.allocUnsafeSlow(sizeBytes);
    start = position;
    length = 0;
    while (length < buffer.length) {
      const count = readSync(fd, buffer, length, buffer.length - length, start + length);
      if (count === 0) return;
      length += count;
    }
  };
  return {
    position: () => position,
    read(sizeBytes) {
      if (position < start || position + sizeBytes > start + length) load(sizeBytes);
      if (position === fileBytes) return undefined;
      const available = start + length - position;
      if (available < sizeBytes) throw damaged(fileBytes, 'the archive ends too early');
      position += sizeBytes;
      return buffer.subarray(position - sizeBytes - start, position - start);
    },
    moveTo(next) {
      position = next;
    },
  };
}
