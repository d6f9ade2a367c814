import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { createLayerWriter, type LayerItem, type LayerWriter } from '../../archive/index.ts';
import { BuildError, throwIfCancelled } from '../../core/index.ts';
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
  const child = await startTar(place.kind, [...EXTRACT, `--directory=${place.directory}`], signal);
  const done = finished(child, place.directory);
  // The feed fails as well when tar ends early; tar's own message says why.
  done.catch(() => undefined);
  const input = child.stdin as Writable;
  input.on('error', () => undefined);
  const writer = createLayerWriter({ write: (bytes) => void input.write(Buffer.from(bytes)) });
  try {
    await feed({ writer, drained: () => drained(input, done) });
    writer.finish();
    input.end();
  } catch (error) {
    child.kill('SIGKILL');
    await done.catch(() => undefined);
    throwIfCancelled(signal);
    throw error;
  } finally {
    writer.close();
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
  const done = finished(child, place.directory);
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

async function finished(child: ChildProcess, directory: string): Promise<void> {
  const messages: Buffer[] = [];
  child.stderr?.on('data', (bytes: Buffer) => messages.push(bytes));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code === 0) return;
  const text = Buffer.concat(messages).toString('utf8').trim();
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
