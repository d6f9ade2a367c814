import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { createTarEncoder, readTar, type TarEncoder } from '../../archive/index.ts';
import type { MountFile, MountFiles, MountName, NewName } from '../../cache/index.ts';
import { BuildError, type BytePath, type RunContext } from '../../core/index.ts';
import { archiveFiles, extractBytes } from '../snapshots/tar-process.ts';
import { runFileWork, startFileWork } from './file-work.ts';
import type { WorkingKind } from './namespace.ts';

/** How find(1) tells of a name: type, mode, owner, group, size, mtime, ctime, inode, links, path, target. NUL comes in no name. */
const FORMAT = ['%y', '%m', '%U', '%G', '%s', '%T@', '%C@', '%i', '%n', '%P', '%l']
  .map((field) => `${field}\\0`)
  .join('');
const FIELDS = 11;
const TYPES: Readonly<Record<string, 'file' | 'directory' | 'symlink'>> = { f: 'file', d: 'directory', l: 'symlink' };

/**
 * The files of a cache mount, read and made by programs that see the owners which steps see: find(1) lists them, with times
 * in nanoseconds, GNU tar reads and makes them.
 */
export function openMountFiles(place: { readonly kind: WorkingKind; readonly directory: string }): MountFiles {
  return {
    list: (context) => listNames(place, context),
    read: (paths, context) => readFiles({ ...place, paths }, context),
    clear: ({ signal }) => runFileWork(place.kind, ['find', place.directory, '-mindepth', '1', '-delete'], { signal }),
    write: (names, context) =>
      extractBytes(
        place,
        async ({ sink, drained }) => {
          const encoder = createTarEncoder(sink);
          for await (const name of names) {
            await writeName(encoder, name, drained);
            await drained();
          }
          encoder.end();
        },
        context.signal,
      ),
  };
}

async function writeName(encoder: TarEncoder, { entry, bytes, body }: NewName, drained: () => Promise<void>) {
  encoder.header(entry);
  const end = encoder.position + entry.sizeBytes;
  if (bytes !== undefined) encoder.append(bytes);
  for await (const chunk of body ?? []) {
    encoder.append(chunk);
    await drained();
  }
  if (encoder.position !== end)
    throw new BuildError('INTERNAL', `"${entry.path}" has not the size that was announced.`);
  encoder.pad();
}

async function* readFiles(
  place: { readonly kind: WorkingKind; readonly directory: string; readonly paths: readonly BytePath[] },
  { signal }: RunContext,
): AsyncGenerator<MountFile> {
  if (place.paths.length === 0) return;
  for await (const { entry, body } of readTar(archiveFiles({ ...place, links: 'followed' }, signal)))
    yield { entry, body };
}

async function listNames(
  place: { readonly kind: WorkingKind; readonly directory: string },
  { signal }: RunContext,
): Promise<readonly MountName[]> {
  const child = await startFileWork(place.kind, ['find', place.directory, '-printf', FORMAT], { signal });
  const messages: Buffer[] = [];
  child.stdin?.on('error', () => undefined).end();
  child.stderr?.on('data', (bytes: Buffer) => messages.push(bytes));
  const closed = once(child, 'close') as Promise<[number | null]>;
  closed.catch(() => undefined);
  const names: ListedName[] = [];
  for await (const fields of rowsOf(child.stdout as Readable)) {
    const name = toName(fields);
    if (name !== undefined) names.push(name);
  }
  const [code] = await closed;
  const text = Buffer.concat(messages).toString('utf8').trim();
  // A name that vanished while others work in a shared mount is none of ours.
  if (code === 0 || (code === 1 && text.split('\n').every((line) => line.includes('No such file'))))
    return linked(names);
  throw new BuildError('HOST_LACKS', `A cache mount cannot be listed: ${text || `find ended with ${code}`}`, {
    hint: 'Install GNU find (Debian: findutils).',
  });
}

interface ListedName extends MountName {
  readonly inode: string;
  readonly isLinked: boolean;
}

async function* rowsOf(output: Readable): AsyncGenerator<readonly string[]> {
  let rest = '';
  let row: string[] = [];
  for await (const chunk of output as AsyncIterable<Buffer>) {
    const parts = (rest + chunk.toString('latin1')).split('\0');
    rest = parts.pop() ?? '';
    for (const part of parts) {
      row.push(part);
      if (row.length < FIELDS) continue;
      yield row;
      row = [];
    }
  }
}

function toName(fields: readonly string[]): ListedName | undefined {
  const [
    letter = '',
    mode = '',
    uid,
    gid,
    size,
    modified = '',
    changed = '',
    inode = '',
    links,
    path = '',
    target = '',
  ] = fields;
  const type = TYPES[letter];
  if (type === undefined) return undefined;
  const sizeBytes = type === 'file' ? Number(size) : 0;
  const mtime = parseTime(modified);
  const ctime = parseTime(changed);
  return {
    entry: {
      path,
      type,
      mode: Number.parseInt(mode, 8),
      uid: Number(uid),
      gid: Number(gid),
      sizeBytes,
      mtime: mtime.seconds,
      nanoseconds: mtime.nanoseconds,
      ...(type === 'symlink' ? { linkTarget: target } : {}),
    },
    stamp: `${inode} ${sizeBytes} ${modified} ${changed}`,
    changedMs: ctime.nanoseconds === 0 ? undefined : ctime.seconds * 1000 + ctime.nanoseconds / 1e6,
    inode,
    isLinked: type === 'file' && links !== '1',
  };
}

/** find prints ten digits behind the point, the last of them always 0. */
function parseTime(text: string): { readonly seconds: number; readonly nanoseconds: number } {
  const [whole = '0', digits = ''] = text.split('.');
  const nanoseconds = Number(digits.slice(0, 9).padEnd(9, '0'));
  const seconds = Number(whole);
  if (!whole.startsWith('-') || nanoseconds === 0) return { seconds, nanoseconds };
  return { seconds: seconds - 1, nanoseconds: 1_000_000_000 - nanoseconds };
}

function linked(names: readonly ListedName[]): readonly MountName[] {
  const sorted = names.toSorted((one, two) => (one.entry.path < two.entry.path ? -1 : 1));
  const first = new Map<string, BytePath>();
  return sorted.map(({ entry, stamp, changedMs, inode, isLinked }) => {
    const known = isLinked ? first.get(inode) : undefined;
    if (isLinked && known === undefined) first.set(inode, entry.path);
    if (known === undefined) return { entry, stamp, changedMs };
    return { entry: { ...entry, type: 'hardlink', sizeBytes: 0, linkTarget: known }, stamp, changedMs };
  });
}
