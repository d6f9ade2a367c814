import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, lstatSync, openSync, realpathSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { finished, Writable } from 'node:stream';
import { promisify } from 'node:util';
import { BuildError, isBuildError, type RunContext, throwIfCancelled, toBuildError } from '../core/index.ts';
import { observeBytes } from './observe-bytes.ts';

/** A file's path, `-` for standard output, or a stream, which is left open. */
export type Destination = string | Writable;

/** A disk takes much in a short time. */
const BYTES_PER_EVENT = 8 << 20;

/**
 * Writes bytes to a destination. A file appears whole or not at all: it is written beside its place and then renamed.
 *
 * @throws BuildError `OUTPUT_FAILED`, `STORE_FULL` when the disk is full, `CANCELLED`, and what the bytes throw.
 */
export async function writeDestination(
  destination: Destination,
  bytes: AsyncIterable<Uint8Array>,
  context: RunContext,
): Promise<void> {
  if (destination instanceof Writable) await writeStream(destination, bytes, context);
  else if (destination === '-') await writeStream(process.stdout, bytes, context);
  else {
    const told = { id: `export ${destination}`, name: destination, bytesPerEvent: BYTES_PER_EVENT };
    await writeFileWhole(destination, observeBytes(bytes, told, context), context);
  }
}

async function writeFileWhole(
  destination: string,
  bytes: AsyncIterable<Uint8Array>,
  context: RunContext,
): Promise<void> {
  const path = guardOutput(destination, () => resolveTarget(destination));
  // A device or a FIFO has nothing to be replaced by.
  const isSpecial = !(lstatSync(path, { throwIfNoEntry: false })?.isFile() ?? true);
  const temporaryPath = isSpecial ? path : temporarySibling(path);
  const fd = guardOutput(destination, () => openSync(temporaryPath, isSpecial ? 'w' : 'wx', 0o666));
  let complete = false;
  try {
    for await (const chunk of bytes) {
      throwIfCancelled(context.signal);
      guardOutput(destination, () => writeFully(fd, chunk));
    }
    if (!isSpecial) guardOutput(destination, () => fsyncSync(fd));
    complete = true;
  } finally {
    closeSync(fd);
    if (!complete && !isSpecial) rmSync(temporaryPath, { force: true });
  }
  if (!isSpecial) guardOutput(destination, () => renameSync(temporaryPath, path));
}

async function writeStream(stream: Writable, bytes: AsyncIterable<Uint8Array>, context: RunContext): Promise<void> {
  let failure: Error | undefined;
  const stop = finished(stream, (error) => {
    failure = error ?? new Error('the stream was closed');
  });
  try {
    for await (const chunk of bytes) {
      throwIfCancelled(context.signal);
      if (failure !== undefined) throw failed('the output stream', failure);
      // Waiting for every chunk keeps one chunk in memory, and lets its buffer be used again.
      await writeChunk(stream, chunk);
    }
  } finally {
    stop();
  }
}

async function writeChunk(stream: Writable, chunk: Uint8Array): Promise<void> {
  const write = promisify((bytes: Uint8Array, done: (error?: Error | null) => void) => stream.write(bytes, done));
  try {
    await write(chunk);
  } catch (error) {
    throw failed('the output stream', error);
  }
}

/** The file itself where the destination is a symbolic link to one. */
function resolveTarget(destination: string): string {
  const stat = lstatSync(destination, { throwIfNoEntry: false });
  if (stat?.isDirectory() === true) {
    throw new BuildError('OUTPUT_FAILED', `The output cannot be written to "${destination}": it is a directory.`, {
      hint: 'Name a file, such as dest=image.tar.',
    });
  }
  return stat?.isSymbolicLink() === true ? realpathSync(destination) : resolve(destination);
}

/** A path in the same directory, where a rename is sure to stay on one file system. */
export function temporarySibling(path: string): string {
  return join(dirname(path), `.zlayer-${randomBytes(8).toString('hex')}`);
}

/** Runs a step that writes an output and says which one failed. */
export function guardOutput<T>(destination: string, step: () => T): T {
  try {
    return step();
  } catch (error) {
    throw failed(`"${destination}"`, error);
  }
}

function failed(what: string, cause: unknown): BuildError {
  if (isBuildError(cause)) return cause;
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code === 'ENOSPC' || code === 'EDQUOT') return toBuildError(cause);
  return new BuildError('OUTPUT_FAILED', `The output cannot be written to ${what}: ${message}.`, {
    cause,
    hint: 'Check that the directory exists and that you may write there.',
  });
}

function writeFully(fd: number, bytes: Uint8Array): void {
  for (let offset = 0; offset < bytes.length; ) offset += writeSync(fd, bytes, offset);
}
