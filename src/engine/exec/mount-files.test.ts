import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { Entry } from '../../archive/index.ts';
import type { MountFiles, NewName } from '../../cache/index.ts';
import { removeTree } from './file-work.ts';
import { openMountFiles } from './mount-files.ts';

const home = mkdtempSync(join(tmpdir(), 'zlayer-mount-files-'));
afterAll(() => removeTree(home));

const context = { signal: new AbortController().signal, emit: () => undefined };
const kind = process.getuid?.() === 0 ? 'root' : 'userns';

let directories = 0;

function open(): { readonly directory: string; readonly files: MountFiles } {
  directories += 1;
  const directory = join(home, String(directories));
  mkdirSync(directory);
  return { directory, files: openMountFiles({ kind, directory }) };
}

async function* each(names: readonly NewName[]): AsyncGenerator<NewName> {
  yield* names;
}

const common = { mode: 0o644, uid: 7, gid: 8, mtime: 1_700_000_000, nanoseconds: 123_456_789, sizeBytes: 0 };
const bytes = Buffer.from('content');
const xattrs = new Map([['user.note', Buffer.from('kept\0whole')]]);

const ENTRIES: readonly Entry[] = [
  { ...common, path: '', type: 'directory', mode: 0o1777 },
  { ...common, path: '.wh.a', type: 'file', mode: 0o4711, sizeBytes: bytes.length },
  { ...common, path: '-n\xff\n\\e', type: 'file', sizeBytes: bytes.length },
  { ...common, path: 'd', type: 'directory', mode: 0o555, mtime: -2, nanoseconds: 250_000_000 },
  { ...common, path: 'd/hard', type: 'hardlink', linkTarget: '.wh.a', mode: 0o4711 },
  { ...common, path: 'd/soft', type: 'symlink', mode: 0o777, linkTarget: '../\xfe/nowhere' },
  { ...common, path: 'd/x', type: 'file', sizeBytes: bytes.length },
].toSorted((one, two) => (one.path < two.path ? -1 : 1)) as readonly Entry[];

describe('openMountFiles()', () => {
  it('lists what it made, with owners, links and times in nanoseconds, and reads content and attributes', async () => {
    const { files } = open();
    const names = ENTRIES.map((entry): NewName => {
      if (entry.type !== 'file') return { entry };
      return { entry: entry.path === 'd/x' ? { ...entry, xattrs } : entry, bytes };
    });
    const links = (name: NewName): number => (/link/.test(name.entry.type) ? 1 : 0);
    await files.write(each(names.toSorted((one, two) => links(one) - links(two))), context);
    expect((await files.list(context)).map(({ entry }) => entry)).toEqual(ENTRIES);
    const read: unknown[] = [];
    for await (const file of files.read(['d/x', 'gone', 'd/hard', '-n\xff\n\\e'], context)) {
      const chunks: Uint8Array[] = [];
      for await (const chunk of file.body) chunks.push(Buffer.from(chunk));
      read.push([file.entry.path, Buffer.concat(chunks).toString(), file.entry.xattrs?.get('user.note')?.length]);
    }
    expect(read).toEqual([
      ['d/x', 'content', 10],
      ['d/hard', 'content', undefined],
      ['-n\xff\n\\e', 'content', undefined],
    ]);
    await files.clear(context);
    expect((await files.list(context)).map(({ entry }) => entry.path)).toEqual(['']);
  });

  it('has another stamp for a file that was written to, and the same for one that was not', async () => {
    const { directory, files } = open();
    for (const name of ['a', 'b']) writeFileSync(join(directory, name), 'one');
    const stamps = async () => new Map((await files.list(context)).map(({ entry, stamp }) => [entry.path, stamp]));
    const before = await stamps();
    rmSync(join(directory, 'b'));
    writeFileSync(join(directory, 'b'), 'two');
    const after = await stamps();
    expect(after.get('a')).toBe(before.get('a'));
    expect(after.get('b')).not.toBe(before.get('b'));
  });
});
