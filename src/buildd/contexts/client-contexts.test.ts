import { createHash } from 'node:crypto';
import { lstatSync, mkdtempSync, readFileSync, readlinkSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ContextStore, openContextStore } from './context-store.ts';
import type { ContentPiece } from './receive-contents.ts';
import { removeTree } from './remove-tree.ts';
import type { TreeEntry } from './tree-entry.ts';

const ALICE = 'a'.repeat(64);
const BOB = 'b'.repeat(64);
const NEVER = new AbortController().signal;

let directory: string;
let store: ContextStore;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'zl-contexts-'));
  store = openContextStore({ directory, maxBytes: 1 << 20 });
});
afterEach(() => {
  store.close();
  removeTree(directory);
});

const hexOf = (text: string): string => createHash('sha256').update(text).digest('hex');
const file = (path: string, text: string, more: Partial<TreeEntry> = {}): TreeEntry => ({
  type: 'file',
  path,
  mode: 0o644,
  mtimeNs: 1_600_000_000_000_000_000n,
  sizeBytes: text.length,
  digest: hexOf(text),
  target: '',
  ...more,
});
const other = (type: TreeEntry['type'], path: string, more: Partial<TreeEntry> = {}): TreeEntry => ({
  ...file(path, ''),
  type,
  digest: '',
  mode: 0o755,
  ...more,
});
async function* streamOf<T>(...items: readonly T[]): AsyncIterable<T> {
  yield* items;
}
const piece = (text: string, more: Partial<ContentPiece> = {}): ContentPiece => ({
  digest: hexOf(text),
  offset: 0,
  data: Buffer.from(text),
  last: true,
  ...more,
});

describe('offer()', () => {
  it('tells what is missing, each content once, and nothing after the upload', async () => {
    const contexts = store.of(ALICE);
    const entries = [file('a', 'one'), file('b', 'two'), file('c', 'one')];
    const first = await contexts.offer(streamOf(...entries));
    expect(first.missing.map(({ digest }) => digest).sort()).toEqual([hexOf('one'), hexOf('two')].sort());
    expect(await contexts.upload(streamOf(piece('one'), piece('two')))).toEqual({ contents: 2, bytes: 6 });
    const second = await contexts.offer(streamOf(...entries));
    expect(second).toEqual({ tree: first.tree, missing: [] });
  });

  it('keeps clients apart: what one has sent is missing for the other', async () => {
    await store.of(ALICE).upload(streamOf(piece('secret of alice')));
    const offer = await store.of(BOB).offer(streamOf(file('a', 'secret of alice')));
    expect(offer.missing).toEqual([{ digest: hexOf('secret of alice'), have: 0 }]);
    await expect(store.of(BOB).openTree(offer.tree, NEVER)).rejects.toMatchObject({ code: 'CONTEXT_INVALID' });
  });

  it.each([
    ['an absolute path', [file('/etc/passwd', 'x')]],
    ['a path with ..', [file('a/../../b', 'x')]],
    ['a lone ..', [other('directory', '..')]],
    ['an empty path', [file('', 'x')]],
    ['a doubled slash', [other('directory', 'a'), file('a//b', 'x')]],
    ['a NUL byte', [file('a\0b', 'x')]],
    ['an entry below a symlink', [other('symlink', 'link', { target: '/etc' }), file('link/passwd', 'x')]],
    ['an entry below a file', [file('a', 'x'), file('a/b', 'x')]],
    ['an entry without its directory', [file('a/b', 'x')]],
    ['entries out of order', [file('b', 'x'), file('a', 'x')]],
    ['the same path twice', [file('a', 'x'), file('a', 'y')]],
    ['a hard link to nothing', [other('hard-link', 'a', { target: 'b' })]],
    ['a hard link to a path outside', [other('hard-link', 'a', { target: '../../etc/passwd' })]],
    [
      'a hard link to a symlink',
      [other('symlink', 'a', { target: '/etc/passwd' }), other('hard-link', 'b', { target: 'a' })],
    ],
    ['a file type in the mode', [file('a', 'x', { mode: 0o100644 })]],
    ['a name of 256 bytes', [file('n'.repeat(256), 'x')]],
  ])('refuses %s', async (_, entries) => {
    await expect(store.of(ALICE).offer(streamOf(...entries))).rejects.toMatchObject({ code: 'CONTEXT_INVALID' });
  });

  it('refuses more entries than allowed', async () => {
    store.close();
    store = openContextStore({
      directory,
      maxBytes: 1 << 20,
      limits: { maxEntries: 2, maxBytes: 10, maxTextBytes: 20 },
    });
    const contexts = store.of(ALICE);
    await expect(contexts.offer(streamOf(file('a', ''), file('b', ''), file('c', '')))).rejects.toThrow(
      'more than 2 entries',
    );
    await expect(contexts.offer(streamOf(file('a', 'x'.repeat(11))))).rejects.toThrow('more than 10 bytes');
    const link = other('symlink', 'a', { target: 't'.repeat(20) });
    await expect(contexts.offer(streamOf(link))).rejects.toThrow('paths of more than 20 bytes');
  });
});

describe('upload()', () => {
  it('refuses bytes that are not those of the digest, and keeps nothing of them', async () => {
    const contexts = store.of(ALICE);
    const lie = piece('other bytes', { digest: hexOf('promised') });
    await expect(contexts.upload(streamOf(lie))).rejects.toMatchObject({ code: 'CONTEXT_INVALID' });
    const { missing } = await contexts.offer(streamOf(file('a', 'promised')));
    expect(missing).toEqual([{ digest: hexOf('promised'), have: 0 }]);
  });

  it('goes on where a stream broke off, also after the daemon was started again', async () => {
    const text = 'a long content';
    const broken = (async function* () {
      yield piece(text, { data: Buffer.from(text.slice(0, 6)), last: false });
      throw new Error('the link was cut');
    })();
    await expect(store.of(ALICE).upload(broken)).rejects.toThrow('the link was cut');
    store.close();
    store = openContextStore({ directory, maxBytes: 1 << 20 });
    const contexts = store.of(ALICE);
    const { tree, missing } = await contexts.offer(streamOf(file('a', text)));
    expect(missing).toEqual([{ digest: hexOf(text), have: 6 }]);
    await contexts.upload(streamOf(piece(text, { offset: 6, data: Buffer.from(text.slice(6)) })));
    const { directory: root } = await contexts.openTree(tree, NEVER);
    expect(readFileSync(join(root, 'a'), 'utf8')).toBe(text);
  });

  it('refuses a gap', async () => {
    const upload = store.of(ALICE).upload(streamOf(piece('abc', { offset: 1 })));
    await expect(upload).rejects.toThrow('goes on at byte 1, but 0 bytes');
  });

  it('reads over a content that another stream has sent meanwhile', async () => {
    const contexts = store.of(ALICE);
    let arrive = (): void => undefined;
    const arrived = new Promise<void>((resolve) => (arrive = resolve));
    const slow = (async function* () {
      yield piece('same', { data: Buffer.from('sa'), last: false });
      await arrived;
      yield piece('same', { offset: 2, data: Buffer.from('me') });
    })();
    const first = contexts.upload(slow);
    const second = contexts.upload(streamOf(piece('same')));
    arrive();
    expect(await first).toEqual({ contents: 1, bytes: 4 });
    expect(await second).toEqual({ contents: 1, bytes: 4 });
    expect((await contexts.offer(streamOf(file('a', 'same')))).missing).toEqual([]);
  });

  it('refuses what does not fit any more', async () => {
    const text = 'x'.repeat(1 << 20);
    await store.of(ALICE).offer(streamOf(file('a', text)));
    await expect(store.of(ALICE).upload(streamOf(piece(text)))).rejects.toMatchObject({ code: 'STORE_FULL' });
  });
});

describe('openTree()', () => {
  it('lays out files, directories and links with their modes and times', async () => {
    const contexts = store.of(ALICE);
    const offer = await contexts.offer(
      streamOf(
        other('directory', 'dir', { mode: 0o555 }),
        file('dir/run', 'code', { mode: 0o4755, mtimeNs: 1_500_000_000_123_000_000n }),
        other('hard-link', 'dir/same', { target: 'dir/run' }),
        other('symlink', 'link', { target: '/etc/passwd', mode: 0o777 }),
        other('fifo', 'pipe', { mode: 0o600 }),
      ),
    );
    await contexts.upload(streamOf(piece('code')));
    const { directory: root } = await contexts.openTree(offer.tree, NEVER);
    const run = statSync(join(root, 'dir/run'));
    expect(run.mode & 0o7777).toBe(0o4755);
    expect(Math.round(run.mtimeMs)).toBe(1_500_000_000_123);
    expect(statSync(join(root, 'dir/same')).ino).toBe(run.ino);
    expect(statSync(join(root, 'dir')).mode & 0o7777).toBe(0o555);
    expect(statSync(join(root, 'dir')).mtimeMs).toBe(1_600_000_000_000);
    expect(readlinkSync(join(root, 'link'))).toBe('/etc/passwd');
    expect(lstatSync(join(root, 'pipe')).isFIFO()).toBe(true);
  });

  it('shares the file of an unchanged content between trees, but never between two names of one tree', async () => {
    const contexts = store.of(ALICE);
    await contexts.upload(streamOf(piece('same'), piece('new')));
    const first = await contexts.offer(streamOf(file('a', 'same'), file('b', 'same')));
    const second = await contexts.offer(streamOf(file('a', 'same'), file('b', 'new')));
    const one = (await contexts.openTree(first.tree, NEVER)).directory;
    const two = (await contexts.openTree(second.tree, NEVER)).directory;
    expect(statSync(join(one, 'a')).ino).toBe(statSync(join(two, 'a')).ino);
    expect(statSync(join(one, 'a')).ino).not.toBe(statSync(join(one, 'b')).ino);
    expect(readFileSync(join(two, 'b'), 'utf8')).toBe('new');
  });

  it('gives a content another mode in a second tree without touching the first', async () => {
    const contexts = store.of(ALICE);
    await contexts.upload(streamOf(piece('same')));
    const first = await contexts.offer(streamOf(file('a', 'same')));
    const second = await contexts.offer(streamOf(file('a', 'same', { mode: 0o755 })));
    const one = (await contexts.openTree(first.tree, NEVER)).directory;
    const two = (await contexts.openTree(second.tree, NEVER)).directory;
    expect(statSync(join(one, 'a')).mode & 0o777).toBe(0o644);
    expect(statSync(join(two, 'a')).mode & 0o777).toBe(0o755);
  });

  it('refuses a tree whose contents have not all arrived', async () => {
    const contexts = store.of(ALICE);
    const { tree } = await contexts.offer(streamOf(file('a', 'one'), file('b', 'two')));
    await contexts.upload(streamOf(piece('one')));
    await expect(contexts.openTree(tree, NEVER)).rejects.toThrow('"b" of the build context was not uploaded');
    await contexts.upload(streamOf(piece('two')));
    await expect(contexts.openTree(tree, NEVER)).resolves.toBeDefined();
  });

  it('verifies contents from before the last boot when they are wanted', async () => {
    const contexts = store.of(ALICE);
    const entries = [
      file('a', 'good'),
      file('b', 'damaged'),
      other('directory', 'c', { mode: 0o500 }),
      file('c/d', ''),
    ];
    const { tree } = await contexts.offer(streamOf(...entries));
    await contexts.upload(streamOf(piece('good'), piece('damaged'), piece('')));
    await contexts.openTree(tree, NEVER);
    writeFileSync(contexts.folder.path(hexOf('damaged')), '');
    store.close();
    writeFileSync(join(directory, '0/boot'), 'an earlier boot');
    store = openContextStore({ directory, maxBytes: 1 << 20 });
    const again = await store.of(ALICE).offer(streamOf(...entries));
    expect(again).toEqual({ tree, missing: [{ digest: hexOf('damaged'), have: 0 }] });
  });
});

describe('openContextStore()', () => {
  it('gives a second daemon a place of its own, and the next one the first place again', async () => {
    await store.of(ALICE).upload(streamOf(piece('kept')));
    const second = openContextStore({ directory, maxBytes: 1 << 20 });
    expect((await second.of(ALICE).offer(streamOf(file('a', 'kept')))).missing).toHaveLength(1);
    second.close();
    store.close();
    store = openContextStore({ directory, maxBytes: 1 << 20 });
    expect((await store.of(ALICE).offer(streamOf(file('a', 'kept')))).missing).toEqual([]);
  });
});

describe('the space of all clients', () => {
  const LARGE = 300 << 10;
  const text = (name: string): string => name.repeat(LARGE / name.length);
  /** Offers and uploads a tree of one file. */
  const send = async (identity: string, name: string): Promise<string> => {
    const contexts = store.of(identity);
    const { tree, missing } = await contexts.offer(streamOf(file('f', text(name))));
    if (missing.length > 0) await contexts.upload(streamOf(piece(text(name))));
    return tree;
  };
  const isWhole = (root: string, name: string): boolean => readFileSync(join(root, 'f'), 'utf8') === text(name);

  it('is made free of what no build needs, however young, and of nothing else', async () => {
    const open = await store.of(ALICE).openTree(await send(ALICE, 'open'), NEVER);
    const awaited = await send(BOB, 'wait');
    // Many builds, one after the other, in the room that is left for one.
    for (let round = 10; round < 30; round++) {
      const { directory: root, release } = await store.of(ALICE).openTree(await send(ALICE, `a-${round}`), NEVER);
      expect(isWhole(root, `a-${round}`)).toBe(true);
      release();
    }
    expect(isWhole(open.directory, 'open')).toBe(true);
    const { directory: late } = await store.of(BOB).openTree(awaited, NEVER);
    expect(isWhole(late, 'wait')).toBe(true);
    open.release();
    await send(BOB, 'more');
    await send(ALICE, 'over');
    await expect(send(ALICE, 'full')).rejects.toMatchObject({ code: 'STORE_FULL' });
  });

  it('holds uploads that were broken off, lists and copies too', async () => {
    const contexts = store.of(ALICE);
    const broken = (name: string) => contexts.upload(streamOf(piece(text(name), { last: false })));
    for (const name of ['aaaa', 'bbbb', 'cccc']) await broken(name);
    await expect(broken('dddd')).rejects.toMatchObject({ code: 'STORE_FULL' });
    store.collect();
    await expect(broken('dddd')).rejects.toMatchObject({ code: 'STORE_FULL' });
    const long = Array.from({ length: 60 }, (_, index) =>
      other('symlink', `l${10 + index}`, { target: 't'.repeat(4000) }),
    );
    await expect(store.of(BOB).offer(streamOf(...long))).rejects.toMatchObject({ code: 'STORE_FULL' });
  });

  it('is not filled by a tree that names one content many times', async () => {
    const contexts = store.of(ALICE);
    const names = ['a', 'b', 'c', 'd', 'e', 'f'];
    const { tree } = await contexts.offer(streamOf(...names.map((name) => file(name, text('once')))));
    await contexts.upload(streamOf(piece(text('once'))));
    await expect(contexts.openTree(tree, NEVER)).rejects.toMatchObject({ code: 'STORE_FULL' });
    await expect(store.of(BOB).openTree(await send(BOB, 'ours'), NEVER)).resolves.toBeDefined();
  });
});
