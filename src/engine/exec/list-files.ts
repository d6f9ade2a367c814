import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { BuildError, type BytePath } from '../../core/index.ts';
import { startFileWork } from './file-work.ts';
import type { WorkingKind } from './namespace.ts';

/** A point in time; `nanoseconds` counts forward from `seconds`, also before the epoch. */
export interface FileTime {
  readonly seconds: number;
  readonly nanoseconds: number;
}

/** A name as it lies in a directory, with owners as the users of steps are numbered. */
export interface ListedFile {
  /** Relative to the directory, which is itself the empty path. */
  readonly path: BytePath;
  /** As find(1) names types: `f`, `d`, `l`, `s`, `p`, `c`, `b`. */
  readonly letter: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  readonly modified: FileTime;
  /** Of its status: no program can set it. */
  readonly changed: FileTime;
  readonly inode: string;
  readonly links: number;
  /** Of a symbolic link; else empty. */
  readonly target: string;
}

/** Type, mode, owner, group, size, mtime, ctime, inode, links, path, target. NUL comes in no name. */
const FORMAT = ['%y', '%m', '%U', '%G', '%s', '%T@', '%C@', '%i', '%n', '%P', '%l']
  .map((field) => `${field}\\0`)
  .join('');
const FIELDS = 11;

/**
 * Everything in a directory and the directory itself, in no order, by find(1) of GNU: it sees the owners that steps see, and
 * times in nanoseconds.
 *
 * @throws BuildError `HOST_LACKS` where find does not do it; AbortError when the signal is aborted.
 */
export async function* listFiles(
  { kind, directory }: { readonly kind: WorkingKind; readonly directory: string },
  signal: AbortSignal,
): AsyncGenerator<ListedFile, void, undefined> {
  const child = await startFileWork(kind, ['find', directory, '-printf', FORMAT], { signal });
  const messages: Buffer[] = [];
  child.stdin?.on('error', () => undefined).end();
  child.stderr?.on('data', (bytes: Buffer) => messages.push(bytes));
  const closed = once(child, 'close') as Promise<[number | null]>;
  closed.catch(() => undefined);
  for await (const fields of rowsOf(child.stdout as Readable)) yield toFile(fields);
  const [code] = await closed;
  const text = Buffer.concat(messages).toString('utf8').trim();
  // A name that vanished while others work in the directory is none of ours.
  if (code === 0 || (code === 1 && text.split('\n').every((line) => line.includes('No such file')))) return;
  throw new BuildError('HOST_LACKS', `Files of steps cannot be listed: ${text || `find ended with ${code}`}`, {
    hint: 'Install GNU find (Debian: findutils).',
  });
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

function toFile(fields: readonly string[]): ListedFile {
  const [letter, mode, uid, gid, size, modified, changed, inode, links, path, target] = fields;
  return {
    path: path!,
    letter: letter!,
    mode: Number.parseInt(mode!, 8),
    uid: Number(uid),
    gid: Number(gid),
    sizeBytes: Number(size),
    modified: parseTime(modified!),
    changed: parseTime(changed!),
    inode: inode!,
    links: Number(links),
    target: target!,
  };
}

/** Seconds and nanoseconds as the kernel has them, also before 1970: ten digits behind the point, the last always 0. */
function parseTime(text: string): FileTime {
  const point = text.indexOf('.');
  return { seconds: Number(text.slice(0, point)), nanoseconds: Number(text.slice(point + 1, point + 10)) };
}
