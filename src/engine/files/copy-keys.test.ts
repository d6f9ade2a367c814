import { chmodSync, linkSync, mkdirSync, renameSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { CopyOp } from '../../graph/index.ts';
import { openLocalTree } from '../sources/open-local-tree.ts';
import {
  contextOf,
  copyOp,
  createTestEngine,
  directory,
  entry,
  file,
  from,
  fromStage,
  type TestEngine,
} from '../test-engine.fixture.ts';
import type { CacheKey, OpResult, TreeResult } from '../types.ts';
import { contentDigestOf } from './content-digest.ts';
import { copyKeys } from './copy-keys.ts';

type Copy = Partial<CopyOp> & Pick<CopyOp, 'sources' | 'destination'>;

async function keysOf(engine: TestEngine, copy: Copy, inputs: readonly OpResult[]): Promise<readonly CacheKey[]> {
  const keys: CacheKey[] = [];
  for await (const key of copyKeys({ env: engine.env }, { op: copyOp(copy), inputs }, engine.context)) keys.push(key);
  return keys;
}

async function keyOf(engine: TestEngine, copy: Copy, inputs: readonly OpResult[]): Promise<string> {
  return (await keysOf(engine, copy, inputs)).at(-1)?.key ?? '';
}

const all: Copy = { sources: [from('src')], destination: '/d/' };

describe('copyKeys() by content', () => {
  const plain = [directory('src'), file('src/a', 'A'), file('src/b', 'B')];

  it.each<[string, TreeResult]>([
    [
      'times',
      contextOf([directory('src', { mtime: 1 }), file('src/a', 'A', { mtime: 2 }), file('src/b', 'B', { mtime: 3 })]),
    ],
    ['owners of a context', contextOf([directory('src'), file('src/a', 'A', { uid: 7, gid: 8 }), file('src/b', 'B')])],
    ['files beside the source', contextOf([...plain, file('other', 'x')])],
    ['mode of the source directory itself', contextOf([directory('src', { mode: 0o700 }), ...plain.slice(1)])],
  ])('does not depend on %s', async (_what, context) => {
    await using engine = await createTestEngine();
    expect(await keyOf(engine, all, [context])).toBe(await keyOf(engine, all, [contextOf(plain)]));
  });

  it.each<[string, TreeResult]>([
    ['content', contextOf([directory('src'), file('src/a', 'x'), file('src/b', 'B')])],
    ['a name', contextOf([directory('src'), file('src/A', 'A'), file('src/b', 'B')])],
    ['a mode', contextOf([directory('src'), file('src/a', 'A', { mode: 0o755 }), file('src/b', 'B')])],
    [
      'a type',
      contextOf([
        directory('src'),
        { entry: entry('src/a', { type: 'symlink', linkTarget: 'A' }) },
        file('src/b', 'B'),
      ]),
    ],
    ['a new file', contextOf([...plain, file('src/c')])],
    ['a new empty directory', contextOf([...plain, directory('src/c')])],
    [
      'a hard link',
      contextOf([
        directory('src'),
        file('src/a', 'A'),
        { entry: entry('src/b', { type: 'hardlink', linkTarget: 'src/a' }) },
      ]),
    ],
    [
      'an attribute',
      contextOf([
        directory('src'),
        file('src/a', 'A', { xattrs: new Map([['user.x', new Uint8Array([1])]]) }),
        file('src/b', 'B'),
      ]),
    ],
  ])('depends on %s', async (_what, context) => {
    await using engine = await createTestEngine();
    expect(await keyOf(engine, all, [context])).not.toBe(await keyOf(engine, all, [contextOf(plain)]));
  });

  it('depends on the owners of a stage', async () => {
    await using engine = await createTestEngine();
    const copy: Copy = { sources: [fromStage('f')], destination: '/d' };
    const stage = async (uid: number): Promise<OpResult> => ({
      kind: 'layers',
      layers: [await engine.layer([file('f', 'x', { uid })])],
    });
    expect(await keyOf(engine, copy, [await stage(1)])).not.toBe(await keyOf(engine, copy, [await stage(2)]));
  });

  it('hits across stages whose layers differ where nothing is copied', async () => {
    await using engine = await createTestEngine();
    const copy: Copy = { sources: [fromStage('f')], destination: '/d' };
    const stage = async (other: string): Promise<OpResult> => ({
      kind: 'layers',
      layers: [await engine.layer([file('f', 'x'), file('o', other)])],
    });
    const [first, second] = [
      await keysOf(engine, copy, [await stage('1')]),
      await keysOf(engine, copy, [await stage('2')]),
    ];
    expect(first[0]?.key).not.toBe(second[0]?.key);
    expect(first[1]?.key).toBe(second[1]?.key);
  });

  it('counts only the base name of a source', async () => {
    await using engine = await createTestEngine();
    const moved = (path: string): Promise<string> =>
      keyOf(engine, { sources: [from(path)], destination: '/d/' }, [contextOf([file(`${path}/a`, 'A')])]);
    expect(await moved('a/src')).toBe(await moved('b/src'));
    expect(await moved('a/src')).not.toBe(await moved('a/lib'));
  });

  it('counts the name of what a wildcard finds', async () => {
    await using engine = await createTestEngine();
    const copy: Copy = { sources: [from('f*')], destination: '/d/' };
    expect(await keyOf(engine, copy, [contextOf([file('f1', 'x')])])).not.toBe(
      await keyOf(engine, copy, [contextOf([file('f2', 'x')])]),
    );
  });

  it('leaves out what is excluded', async () => {
    await using engine = await createTestEngine();
    const copy: Copy = { ...all, exclude: ['*.log'] };
    const changed = contextOf([...plain, file('src/x.log', 'noise')]);
    expect(await keyOf(engine, copy, [changed])).toBe(await keyOf(engine, copy, [contextOf(plain)]));
  });

  it.each<Partial<CopyOp>>([
    { destination: '/e/' },
    { chown: '1' },
    { chmod: '600' },
    { parents: true },
    { exclude: ['zzz'] },
    { sources: [from('src', 0, { unpack: 'auto' })] },
    { sources: [from('src', 0, { mustMatch: true })] },
    { sources: [from('src'), { kind: 'inline', fileName: 'i', text: '' }] },
  ])('depends on %j', async (change) => {
    await using engine = await createTestEngine();
    const inputs = [contextOf(plain)];
    expect(await keyOf(engine, { ...all, ...change }, inputs)).not.toBe(await keyOf(engine, all, inputs));
  });

  it('depends on the base, but not of a linked copy', async () => {
    await using engine = await createTestEngine();
    const base: OpResult = { kind: 'layers', layers: [await engine.layer([file('x')])] };
    const other: OpResult = { kind: 'layers', layers: [await engine.layer([file('y')])] };
    const copy: Copy = { base: 0, sources: [from('src', 1)], destination: '/d/' };
    const context = contextOf(plain);
    expect(await keyOf(engine, copy, [base, context])).not.toBe(await keyOf(engine, copy, [other, context]));
    expect(await keyOf(engine, all, [context])).not.toBe(await keyOf(engine, copy, [base, context]));
  });

  it('frames names and contents: what moves between them changes the key', async () => {
    await using engine = await createTestEngine();
    const two = (a: string, b: string): Promise<string> =>
      keyOf(engine, { sources: [from('/')], destination: '/d/' }, [contextOf([file(a), file(b)])]);
    expect(await two('ab', 'c')).not.toBe(await two('a', 'bc'));
  });

  it('names files with short digests, for explaining a miss', async () => {
    await using engine = await createTestEngine();
    const [key] = await keysOf(engine, all, [contextOf(plain)]);
    expect(key?.inputs['file src/a']).toMatch(/^[0-9a-f]{16}$/);
    expect(key?.inputs['destination']).toBe('/d/');
  });

  it('offers a cheap key first where every input has an identity', async () => {
    await using engine = await createTestEngine();
    const download: TreeResult = { ...contextOf([file('f', 'x')]), identity: 'file sha256:1' };
    const copy: Copy = { sources: [from('f')], destination: '/d/' };
    expect(await keysOf(engine, copy, [download])).toHaveLength(2);
    expect(await keysOf(engine, copy, [contextOf([file('f', 'x')])])).toHaveLength(1);
  });
});

describe('copyKeys() of a directory of the host', () => {
  const prepare = (root: string): void => {
    mkdirSync(join(root, 'src/sub'), { recursive: true });
    writeFileSync(join(root, 'src/a'), 'A');
    writeFileSync(join(root, 'src/sub/b'), 'B');
    for (const name of ['src/a', 'src/sub/b']) utimesSync(join(root, name), 1_000_000, 1_000_000);
  };
  const open = (engine: TestEngine, root: string): Promise<TreeResult> =>
    openLocalTree({ env: engine.env }, { directory: root });

  it('sees through touch, and sees chmod and edits', async () => {
    await using engine = await createTestEngine();
    const root = join(engine.directory, 'context');
    prepare(root);
    const first = await keyOf(engine, all, [await open(engine, root)]);
    utimesSync(join(root, 'src/a'), 2_000_000, 2_000_000);
    expect(await keyOf(engine, all, [await open(engine, root)])).toBe(first);
    chmodSync(join(root, 'src/a'), 0o755);
    const changed = await keyOf(engine, all, [await open(engine, root)]);
    expect(changed).not.toBe(first);
    chmodSync(join(root, 'src/a'), 0o644);
    writeFileSync(join(root, 'src/a'), 'Z');
    expect(await keyOf(engine, all, [await open(engine, root)])).not.toBe(first);
  });

  it('keeps hard links apart from copies', async () => {
    await using engine = await createTestEngine();
    const root = join(engine.directory, 'context');
    prepare(root);
    writeFileSync(join(root, 'src/c'), 'A');
    const copied = await keyOf(engine, all, [await open(engine, root)]);
    linkSync(join(root, 'src/a'), join(root, 'src/d'));
    renameSync(join(root, 'src/d'), join(root, 'src/c'));
    writeFileSync(join(root, 'src/new'), '');
    linkSync(join(root, 'src/a'), join(root, 'src/c2'));
    renameSync(join(root, 'src/c2'), join(root, 'src/new'));
    expect(await keyOf(engine, all, [await open(engine, root)])).not.toBe(copied);
  });
});

describe('contentDigestOf()', () => {
  const items = [file('src/a', 'A'), file('src/b', 'B'), file('other', 'O')];

  it('covers the part that is mounted only', () => {
    const digest = contentDigestOf(contextOf(items), '/src');
    expect(contentDigestOf(contextOf([...items, file('more')]), '/src')).toBe(digest);
    expect(contentDigestOf(contextOf([...items, file('src/c')]), '/src')).not.toBe(digest);
    expect(contentDigestOf(contextOf([...items, file('more')]), '/')).not.toBe(contentDigestOf(contextOf(items), '/'));
  });

  it('names a part that is missing', () => {
    expect(() => contentDigestOf(contextOf(items), '/nothing')).toThrowError(/"nothing" cannot be mounted/);
  });
});
