import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { Readable, type Writable } from 'node:stream';
import { type ByteSink, createLayerWriter, type LayerItem, type LayerWriter } from '../../archive/index.ts';
import { BuildError, type BytePath, throwIfCancelled } from '../../core/index.ts';
import { startFileWork } from '../exec/file-work.ts';
import type { WorkingKind } from '../exec/namespace.ts';

/**
 * GNU tar as the program that sets and reads owners, attributes and devices: Node has no functions for extended attributes,
 * and files of mapped users can only be touched inside the user namespace.
 */
const EXTRACT = [
  ...['tar', '--extract', '--preserve-permissions', '--same-owner', '--numeric-owner', '--delay-directory-restore'],
  ...['--xattrs', '--xattrs-include=*', '--warning=no-timestamp', '--file=-'],
];
const ARCHIVE = [
  ...['tar', '--create', '--format=pax', '--sort=name', '--numeric-owner', '--xattrs', '--xattrs-include=*'],
  ...['--pax-option=delete=atime,delete=ctime', '--warning=no-file-ignored', '--file=-'],
];

const ARCHIVE_FILES = [
  ...['tar', '--create', '--format=pax', '--no-recursion', '--numeric-owner', '--xattrs', '--xattrs-include=*'],
  ...['--pax-option=delete=atime,delete=ctime', '--null', '--no-unquote', '--file=-'],
];

/** What is fed to a running extraction. */
export interface TarFeed {
  readonly writer: LayerWriter;
  /** Waits until tar has taken what was written so far. */
  drained(): Promise<void>;
}

/** Extracts into `directory` what `feed` writes. @throws BuildError `STORE_FULL`, `STORE_PERMISSION`, `CANCELLED`. */
export async function extractTar(
  place: { readonly kind: WorkingKind; readonly directory: string },
  feed: (feed: TarFeed) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const write = async ({ sink, drained: whenDrained }: TarInput): Promise<void> => {
    const writer = createLayerWriter(sink);
    try {
      await feed({ writer, drained: whenDrained });
      writer.finish();
    } finally {
      writer.close();
    }
  };
  await extractBytes(place, write, signal);
}

/** What the bytes of an archive are written to. */
export interface TarInput {
  readonly sink: ByteSink;
  /** Waits until tar has taken what was written so far. */
  drained(): Promise<void>;
}

/** `extractTar` for archives that are no layers: `write` makes the archive itself. */
export async function extractBytes(
  place: { readonly kind: WorkingKind; readonly directory: string },
  write: (input: TarInput) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const child = await startTar(place.kind, [...EXTRACT, `--directory=${place.directory}`], signal);
  const done = finished(child, place.directory);
  // The feed fails as well when tar ends early; tar's own message says why.
  done.catch(() => undefined);
  const input = child.stdin as Writable;
  input.on('error', () => undefined);
  const sink = { write: (bytes: Uint8Array) => void input.write(Buffer.from(bytes)) };
  try {
    await write({ sink, drained: () => drained(input, done) });
    input.end();
  } catch (error) {
    child.kill('SIGKILL');
    await done.catch(() => undefined);
    throwIfCancelled(signal);
    throw error;
  }
  await done.catch((error: unknown) => {
    throwIfCancelled(signal);
    throw error;
  });
}

async function drained(input: Writable, done: Promise<void>): Promise<void> {
  if (input.writableNeedDrain) await Promise.race([once(input, 'drain'), done]);
  if (input.destroyed) await done;
}

/** Writes plain items to an extraction. */
export async function feedItems(items: Iterable<LayerItem>, { writer, drained }: TarFeed): Promise<void> {
  for (const item of items) {
    writer.add(item);
    await drained();
  }
}

/** The archive of a directory, as its users see it, in the order of names. */
export async function* archiveDirectory(
  place: { readonly kind: WorkingKind; readonly directory: string },
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const child = await startTar(place.kind, [...ARCHIVE, `--directory=${place.directory}`, '.'], signal);
  yield* outputOf(child, { directory: place.directory, isFine: () => false }, signal);
}

/** Files of a directory by name. */
export interface NamedFiles {
  readonly kind: WorkingKind;
  readonly directory: string;
  readonly paths: readonly BytePath[];
  /** Further names of one file: as links to the first, or as files of their own for readers that want one of them. */
  readonly links: 'kept' | 'followed';
}

/** Files of a directory that others may be writing to, in the order of `paths`; those that are gone are left out. */
export async function* archiveFiles(
  { kind, directory, paths, links }: NamedFiles,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const options = [...(links === 'kept' ? [] : ['--hard-dereference']), `--directory=${directory}`, '--files-from=-'];
  const child = await startTar(kind, [...ARCHIVE_FILES, ...options], signal);
  const input = child.stdin as Writable;
  input.on('error', () => undefined);
  Readable.from(nameBlocks(paths)).pipe(input);
  const isFine = (messages: string): boolean =>
    messages.split('\n').every((line) => /^$|Exiting with failure|No such file|file changed|shrank|removed/.test(line));
  yield* outputOf(child, { directory, isFine }, signal);
}

/** Names with a NUL behind each, a thousand at a time. */
function* nameBlocks(paths: readonly BytePath[]): Generator<Buffer> {
  for (let at = 0; at < paths.length; at += 1000) {
    const block = paths.slice(at, at + 1000);
    yield Buffer.from(block.map((path) => `./${path}\0`).join(''), 'latin1');
  }
}

async function* outputOf(
  child: ChildProcess,
  expected: { readonly directory: string; readonly isFine: (messages: string) => boolean },
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const done = finished(child, expected.directory, expected.isFine);
  done.catch(() => undefined);
  try {
    yield* child.stdout as Readable;
    await done;
  } catch (error) {
    throwIfCancelled(signal);
    throw error;
  } finally {
    child.kill('SIGKILL');
  }
}

function startTar(kind: WorkingKind, command: readonly string[], signal: AbortSignal): Promise<ChildProcess> {
  throwIfCancelled(signal);
  return startFileWork(kind, command, { signal });
}

async function finished(
  child: ChildProcess,
  directory: string,
  isFine: (messages: string) => boolean = () => false,
): Promise<void> {
  const messages: Buffer[] = [];
  child.stderr?.on('data', (bytes: Buffer) => messages.push(bytes));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code === 0) return;
  const text = Buffer.concat(messages).toString('utf8').trim();
  if (code !== null && isFine(text)) return;
  if (/no space left|disk quota/i.test(text)) {
    throw new BuildError('STORE_FULL', `No space is left below ${directory}: ${text}`, {
      hint: 'Free space with `zlayer prune`, or set ZLAYER_DATA_DIR to a larger disk.',
    });
  }
  throw new BuildError('STORE_PERMISSION', `tar failed on ${directory} (status ${code ?? 'killed'}): ${text}`, {
    hint: /invalid argument/i.test(text)
      ? 'An owner of the image is outside of the range of ids of this user in /etc/subuid and /etc/subgid: enlarge it.'
      : undefined,
  });
}
