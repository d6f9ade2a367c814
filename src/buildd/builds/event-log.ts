import { closeSync, mkdirSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { BuildError } from '../../core/index.ts';

/**
 * The events of one build from its start, numbered from 1, on disk: any number of readers follow it, each as fast as its
 * client takes it. The oldest part goes when there is too much.
 */
export interface EventLog {
  append(event: Uint8Array): void;
  /** No more events will come. */
  end(): void;
  /** Reads the events after number `after`. */
  reader(after: number): EventReader;
  /** Calls when there are events, or an end, that were not there before; the returned function ends that. */
  onChange(listener: () => void): () => void;
  /** Number of the last event. */
  readonly last: number;
  /** Removes the files. */
  close(): void;
}

export interface LoggedEvent {
  readonly sequence: number;
  readonly bytes: Uint8Array;
}

/** One reader's place in a log. */
export interface EventReader {
  /**
   * The next event; undefined when there is none yet, or no more.
   *
   * @throws BuildError `EVENTS_LOST` when it is gone.
   */
  next(): LoggedEvent | undefined;
  /** True when everything was read and nothing more will come. */
  isAtEnd(): boolean;
}

export interface EventLogOptions {
  /** Does not exist yet. */
  readonly directory: string;
  readonly segmentBytes?: number;
  /** Segments kept. */
  readonly maxSegments?: number;
}

interface Segment {
  readonly fd: number;
  readonly path: string;
  /** Number of its first event. */
  readonly first: number;
  count: number;
  bytes: number;
}

const SEGMENT_BYTES = 8 << 20;
/** 256 MiB: a day of a step that prints as fast as a person can read. */
const MAX_SEGMENTS = 32;
const HEADER_BYTES = 4;
const READ_BYTES = 1 << 16;

export function openEventLog(options: EventLogOptions): EventLog {
  const { directory, segmentBytes = SEGMENT_BYTES, maxSegments = MAX_SEGMENTS } = options;
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const segments: Segment[] = [];
  let last = 0;
  let isEnded = false;
  const listeners = new Set<() => void>();
  const notify = (): void => {
    for (const listener of listeners) listener();
  };
  const current = (): Segment => {
    const segment = segments.at(-1);
    if (segment !== undefined && segment.bytes < segmentBytes) return segment;
    const path = `${directory}/${last + 1}`;
    const made: Segment = { fd: openSync(path, 'wx+', 0o600), path, first: last + 1, count: 0, bytes: 0 };
    segments.push(made);
    if (segments.length > maxSegments) dropSegment(segments.shift()!);
    return made;
  };
  const reader = (after: number): EventReader => {
    let next = after + 1;
    let frames: IterableIterator<Uint8Array> | undefined;
    return {
      isAtEnd: () => isEnded && next > last,
      next: () => {
        if (next > last) return undefined;
        let found = frames?.next();
        if (found === undefined || found.done === true) {
          const segment = segments.find(({ first, count }) => next < first + count);
          if (segment === undefined || segment.first > next) throw lost(next, segments[0]?.first ?? last + 1);
          frames = framesOf(segment, next - segment.first);
          found = frames.next();
        }
        if (found.done === true) throw lost(next, segments[0]?.first ?? last + 1);
        return { sequence: next++, bytes: found.value };
      },
    };
  };
  return {
    append: (event) => {
      const segment = current();
      const frame = Buffer.allocUnsafe(HEADER_BYTES + event.length);
      frame.writeUInt32LE(event.length);
      frame.set(event, HEADER_BYTES);
      for (let at = 0; at < frame.length; )
        at += writeSync(segment.fd, frame, at, frame.length - at, segment.bytes + at);
      segment.bytes += frame.length;
      segment.count += 1;
      last += 1;
      notify();
    },
    end: () => {
      isEnded = true;
      notify();
    },
    reader,
    onChange: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    get last() {
      return last;
    },
    close: () => {
      isEnded = true;
      for (const segment of segments.splice(0)) dropSegment(segment);
      rmSync(directory, { recursive: true, force: true });
      notify();
    },
  };
}

/** The events of a segment from the one at `skip`, as many as are there when it is asked for the next. */
function* framesOf(segment: Segment, skip: number): IterableIterator<Uint8Array> {
  let position = 0;
  let index = 0;
  let buffer: Buffer = Buffer.alloc(0);
  let bufferAt = 0;
  const bytesAt = (at: number, length: number): Buffer => {
    if (at < bufferAt || at + length > bufferAt + buffer.length) {
      buffer = Buffer.allocUnsafe(Math.max(length, Math.min(READ_BYTES, segment.bytes - at)));
      bufferAt = at;
      for (let got = 0; got < buffer.length; ) {
        const read = readSync(segment.fd, buffer, got, buffer.length - got, at + got);
        if (read === 0) throw new BuildError('INTERNAL', 'The event log of a build is shorter than it should be.');
        got += read;
      }
    }
    return buffer.subarray(at - bufferAt, at - bufferAt + length);
  };
  while (index < segment.count && segment.bytes > 0) {
    const length = bytesAt(position, HEADER_BYTES).readUInt32LE();
    if (index >= skip) yield bytesAt(position + HEADER_BYTES, length);
    position += HEADER_BYTES + length;
    index += 1;
  }
}

/** Its readers find out by `bytes`. */
function dropSegment(segment: Segment): void {
  segment.bytes = 0;
  closeSync(segment.fd);
  rmSync(segment.path, { force: true });
}

function lost(wanted: number, first: number): BuildError {
  return new BuildError(
    'EVENTS_LOST',
    `The events of the build from number ${wanted} are gone; those from ${first} are kept.`,
    {
      hint: `Attach after event ${first - 1} to see the rest.`,
    },
  );
}
