import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { type BytePath, baseNameOf, parentOf } from '../core/index.ts';
import type { Entry, FileTree, LayerItem } from './entry.ts';
import { createLayerView, type IndexedLayer, readContent, treeFromEntries, walkTree, writeLayer } from './index.ts';

const directory = mkdtempSync(join(tmpdir(), 'zlayer-view-'));
afterAll(() => rmSync(directory, { recursive: true }));
let files = 0;

async function layerOf(...items: LayerItem[]): Promise<IndexedLayer> {
  const tarPath = join(directory, `${files++}.tar`);
  const chunks: Buffer[] = [];
  const { toc } = await writeLayer(items, { write: (bytes) => void chunks.push(Buffer.from(bytes)) });
  writeFileSync(tarPath, Buffer.concat(chunks));
  return { toc, tarPath };
}

const viewOf = async (...layers: LayerItem[][]): Promise<FileTree> =>
  createLayerView(await Promise.all(layers.map((items) => layerOf(...items))));

const base = { mode: 0o644, uid: 0, gid: 0, sizeBytes: 0, mtime: 1 } as const;
const file = (path: string, text = path, more: Partial<Entry> = {}): LayerItem => {
  const bytes = Buffer.from(text);
  return {
    entry: { ...base, path, type: 'file', sizeBytes: bytes.length, ...more },
    content: { kind: 'bytes', bytes },
  };
};
const dir = (path: string, more: Partial<Entry> = {}): LayerItem => ({
  entry: { ...base, path, type: 'directory', mode: 0o755, ...more },
});
const symlink = (path: string, linkTarget: string): LayerItem => ({
  entry: { ...base, path, type: 'symlink', linkTarget },
});
const hardlink = (path: string, linkTarget: string): LayerItem => ({
  entry: { ...base, path, type: 'hardlink', linkTarget },
});

const textAt = (tree: FileTree, path: string): string =>
  Buffer.concat([...readContent(tree.content(path), tree.stat(path)!.sizeBytes)]).toString();
const pathsOf = (tree: FileTree): string[] => [...walkTree(tree)].map(({ path }) => path).slice(1);

describe('createLayerView()', () => {
  it('is an empty root for no layers', async () => {
    const tree = createLayerView([]);
    expect(pathsOf(tree)).toEqual([]);
    expect(tree.stat('')).toMatchObject({ type: 'directory', mode: 0o755 });
  });

  it('takes the metadata of the root from the highest layer that has it', async () => {
    const tree = await viewOf([dir('', { mode: 0o700 })], [file('a')]);
    expect(tree.stat('')!.mode).toBe(0o700);
  });

  it('hides what whiteouts name in lower layers, with all below', async () => {
    const tree = await viewOf([dir('a'), file('a/x'), file('b')], [{ whiteout: 'a' }, file('c')]);
    expect(pathsOf(tree)).toEqual(['b', 'c']);
  });

  it('keeps an entry whose whiteout is in the same layer, whatever comes first', async () => {
    const tree = await viewOf(
      [file('a', 'old'), file('b', 'old')],
      [{ whiteout: 'a' }, file('a', 'new'), file('b', 'new'), { whiteout: 'b' }],
    );
    expect([textAt(tree, 'a'), textAt(tree, 'b')]).toEqual(['new', 'new']);
  });

  it('hides the old content of a directory with a whiteout in the same layer', async () => {
    const tree = await viewOf([dir('a'), file('a/old')], [{ whiteout: 'a' }, dir('a'), file('a/new')]);
    expect(pathsOf(tree)).toEqual(['a', 'a/new']);
  });

  it('hides the old content of an opaque directory, wherever the mark stands', async () => {
    const tree = await viewOf(
      [dir('a'), file('a/old'), dir('a/d'), file('a/d/old')],
      [dir('a'), file('a/new'), dir('a/d'), { opaque: 'a' }],
    );
    expect(pathsOf(tree)).toEqual(['a', 'a/d', 'a/new']);
  });

  it('takes an opaque mark alone for a directory of lower layers', async () => {
    const tree = await viewOf([dir('a', { mode: 0o711 }), file('a/old')], [{ opaque: 'a' }]);
    expect(pathsOf(tree)).toEqual(['a']);
    expect(tree.stat('a')!.mode).toBe(0o711);
  });

  it('hides everything below an opaque root', async () => {
    expect(pathsOf(await viewOf([dir('a'), file('a/x')], [{ opaque: '' }, file('b')]))).toEqual(['b']);
  });

  it('ignores a whiteout of nothing', async () => {
    expect(pathsOf(await viewOf([{ whiteout: 'x/y' }]))).toEqual([]);
  });

  it('replaces a directory by a file and a file by a directory', async () => {
    const tree = await viewOf([dir('a'), file('a/x'), file('b')], [file('a', 'A'), dir('b'), file('b/y')]);
    expect(pathsOf(tree)).toEqual(['a', 'b', 'b/y']);
    const back = await viewOf([dir('a'), file('a/x')], [file('a')], [dir('a'), file('a/z')]);
    expect(pathsOf(back)).toEqual(['a', 'a/z']);
  });

  it('merges directories and keeps the metadata of lower ones that a layer only implies', async () => {
    const tree = await viewOf([dir('a', { mode: 0o700, uid: 5 }), file('a/x')], [file('a/y')]);
    expect(pathsOf(tree)).toEqual(['a', 'a/x', 'a/y']);
    expect(tree.stat('a')).toMatchObject({ mode: 0o700, uid: 5 });
  });

  it('lists names in the order of their bytes', async () => {
    const names = ['a', 'a-b', 'B', '\u00e9', '\u00ff', 'a.b'];
    const tree = await viewOf(
      names.map((name) => file(name)),
      [file('a!')],
    );
    expect(tree.list('')).toEqual([...names, 'a!'].sort());
  });

  it('shows members below a symlink of a lower layer where it leads', async () => {
    const tree = await viewOf(
      [dir('usr'), dir('usr/lib'), file('usr/lib/old'), symlink('lib', 'usr/lib')],
      [file('lib/new'), { whiteout: 'lib/old' }],
    );
    expect(pathsOf(tree)).toEqual(['lib', 'usr', 'usr/lib', 'usr/lib/new']);
    expect(tree.stat('lib')!.type).toBe('symlink');
    expect(textAt(tree, 'usr/lib/new')).toBe('lib/new');
  });

  it('shows members below a symlink of their own layer where it leads', async () => {
    const tree = await viewOf([symlink('lib', '/usr/lib'), file('lib/x'), { opaque: 'lib' }]);
    expect(pathsOf(tree)).toEqual(['lib', 'usr', 'usr/lib', 'usr/lib/x']);
  });

  it('never leaves the root through a symlink', async () => {
    const tree = await viewOf([symlink('out', '../../../etc')], [file('out/passwd')]);
    expect(pathsOf(tree)).toEqual(['etc', 'etc/passwd', 'out']);
  });

  it('lets a directory entry replace a symlink of a lower layer', async () => {
    const tree = await viewOf([dir('d'), symlink('l', 'd')], [dir('l'), file('l/x')]);
    expect(pathsOf(tree)).toEqual(['d', 'l', 'l/x']);
  });

  it('refuses members below a symlink that leads to itself', async () => {
    await expect(viewOf([symlink('a', 'b'), symlink('b', 'a')], [file('a/x')])).rejects.toMatchObject({
      code: 'SYMLINK_LOOP',
    });
  });

  it('gives hard links the metadata and content of their file, and one id', async () => {
    const tree = await viewOf([file('a', 'text', { mode: 0o4755 }), hardlink('b', 'a'), file('c')]);
    expect(tree.stat('b')).toMatchObject({ path: 'b', type: 'file', mode: 0o4755, sizeBytes: 4 });
    expect(textAt(tree, 'b')).toBe('text');
    expect(tree.linkId('a')).toBe(tree.linkId('b'));
    expect(tree.linkId('a')).toBeDefined();
    expect(tree.linkId('c')).toBeUndefined();
  });

  it('gives hard links to files of lower layers the same id as their file', async () => {
    const tree = await viewOf(
      [dir('d'), file('d/a', 'text'), symlink('s', 'd')],
      [hardlink('b', 's/a')],
      [hardlink('c', 'b'), file('x')],
    );
    expect(tree.stat('c')).toMatchObject({ type: 'file', sizeBytes: 4 });
    expect(textAt(tree, 'c')).toBe('text');
    expect(new Set(['d/a', 'b', 'c'].map(tree.linkId)).size).toBe(1);
    expect(tree.linkId('c')).toBeDefined();
  });

  it('leaves other names of a file as they are when a higher layer replaces one', async () => {
    const tree = await viewOf([file('a', 'old'), hardlink('b', 'a')], [file('a', 'new')]);
    expect([textAt(tree, 'a'), textAt(tree, 'b')]).toEqual(['new', 'old']);
    expect([tree.linkId('a'), tree.linkId('b')]).toEqual([undefined, undefined]);
  });

  it('refuses a hard link whose file is nowhere', async () => {
    await expect(viewOf([file('a')], [hardlink('b', 'gone')])).rejects.toMatchObject({
      code: 'ARCHIVE_INVALID',
      message: expect.stringContaining('"gone"'),
    });
    await expect(viewOf([hardlink('a', 'b'), hardlink('b', 'a')])).rejects.toMatchObject({ code: 'ARCHIVE_INVALID' });
  });

  it('equals the layers applied one after the other to a tree in memory', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(change, { maxLength: 8 }), { minLength: 1, maxLength: 4 }),
        async (changes) => {
          const layers = changes.map(toLayer);
          const view = await viewOf(...layers);
          expect(snapshotOf(view)).toEqual(snapshotOf(applied(layers)));
        },
      ),
      { numRuns: 200 },
    );
  });
});

const path = fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));
const change = fc.record({
  path,
  kind: fc.constantFrom('file', 'directory', 'whiteout', 'opaque'),
  text: fc.string({ maxLength: 3 }),
});
type Change = { path: string; kind: string; text: string };

/** One item per path, parents as directories first, so that a layer does not contradict itself. */
function toLayer(changes: readonly Change[]): LayerItem[] {
  const items = new Map<string, LayerItem>();
  const marks: LayerItem[] = [];
  for (const { path, kind, text } of changes) {
    if (kind === 'whiteout') marks.push({ whiteout: path });
    else if (kind === 'opaque') {
      items.set(path, dir(path));
      marks.push({ opaque: path });
    } else items.set(path, kind === 'file' ? file(path, text) : dir(path));
  }
  const isBelowFile = (path: BytePath): boolean => {
    const item = items.get(path);
    if (item !== undefined && 'entry' in item && item.entry.type === 'file') return true;
    return path !== '' && isBelowFile(parentOf(path));
  };
  const kept = [...items].filter(([path]) => !isBelowFile(parentOf(path))).map(([, item]) => item);
  const markPath = (item: LayerItem): BytePath =>
    'whiteout' in item ? item.whiteout : 'opaque' in item ? item.opaque : '';
  return [
    ...kept,
    ...marks.filter((mark) => !isBelowFile('opaque' in mark ? markPath(mark) : parentOf(markPath(mark)))),
  ];
}

/** The plain way: deletions of a layer first, then its entries. */
function applied(layers: readonly LayerItem[][]): FileTree {
  const state = new Map<string, LayerItem & { entry: Entry }>();
  const removeBelow = (path: string): void => {
    for (const key of [...state.keys()]) if (key.startsWith(`${path}/`)) state.delete(key);
  };
  for (const items of layers) {
    for (const item of items) {
      if ('whiteout' in item) {
        state.delete(item.whiteout);
        removeBelow(item.whiteout);
      } else if ('opaque' in item) removeBelow(item.opaque);
    }
    for (const item of items) {
      if (!('entry' in item)) continue;
      const parents = item.entry.path.split('/').slice(0, -1);
      parents.forEach((_, i) => {
        const parent = parents.slice(0, i + 1).join('/');
        if (state.get(parent)?.entry.type !== 'directory')
          state.set(parent, dir(parent) as LayerItem & { entry: Entry });
      });
      if (item.entry.type !== 'directory') removeBelow(item.entry.path);
      state.set(item.entry.path, item);
    }
  }
  return treeFromEntries([...state.values()].sort((a, b) => (a.entry.path < b.entry.path ? -1 : 1)));
}

function snapshotOf(tree: FileTree): string[] {
  return [...walkTree(tree)]
    .slice(1)
    .map(({ path, type }) => `${type} ${path} ${baseNameOf(path)} ${type === 'file' ? textAt(tree, path) : ''}`);
}
