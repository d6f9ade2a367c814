import { createHash } from 'node:crypto';
import { existsSync, linkSync, mkdirSync, symlinkSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createIgnoreMatcher, parseIgnoreFile } from '../../dockerfile/index.ts';
import { createTestEngine, listing, type TestEngine } from '../test-engine.fixture.ts';
import type { TreeResult } from '../types.ts';
import { openLocalTree } from './open-local-tree.ts';

const OLD = 1_000_000;

function write(root: string, files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    const path = join(root, name);
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(path, text);
  }
}

async function contextIn(
  engine: TestEngine,
  files: Readonly<Record<string, string>>,
  ignore?: string,
): Promise<{ readonly root: string; readonly open: () => Promise<TreeResult> }> {
  const root = join(engine.directory, 'context');
  write(root, files);
  const matcher =
    ignore === undefined ? undefined : createIgnoreMatcher(parseIgnoreFile(ignore, { fileName: '.dockerignore' }));
  return { root, open: () => openLocalTree({ env: engine.env }, { directory: root, ignore: matcher }) };
}

const names = (result: TreeResult): readonly string[] =>
  listing(result.tree).map((line) => line.split(' ')[2] as string);
const sha = (text: string): string => createHash('sha256').update(text).digest('hex');

describe('openLocalTree()', () => {
  it('reads names, types, modes and times', async () => {
    await using engine = await createTestEngine();
    const { root, open } = await contextIn(engine, { 'a.txt': 'hello', 'dir/b': '' });
    utimesSync(join(root, 'a.txt'), OLD, OLD + 0.75);
    symlinkSync('../elsewhere', join(root, 'dir/link'));
    const { tree } = await open();
    expect(tree.list('')).toEqual(['a.txt', 'dir']);
    expect(tree.stat('a.txt')).toMatchObject({ type: 'file', sizeBytes: 5, mtime: OLD });
    expect(tree.stat('dir/link')).toMatchObject({ type: 'symlink', linkTarget: '../elsewhere' });
    expect(tree.stat('')?.type).toBe('directory');
    expect(tree.stat('nothing/at/all')).toBeUndefined();
    expect(tree.list('a.txt')).toEqual([]);
  });

  it('never follows a link, not even to a directory', async () => {
    await using engine = await createTestEngine();
    const { root, open } = await contextIn(engine, { 'dir/x': '' });
    symlinkSync('dir', join(root, 'alias'));
    symlinkSync('/etc', join(root, 'out'));
    const { tree } = await open();
    expect(tree.stat('alias/x')).toBeUndefined();
    expect(tree.stat('out/passwd')).toBeUndefined();
    expect(tree.list('out')).toEqual([]);
  });

  it('keeps names that are not UTF-8', async () => {
    await using engine = await createTestEngine();
    const { root, open } = await contextIn(engine, { ünï: 'u' });
    writeFileSync(Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0x66, 0xe9])]), 'latin');
    const { tree, fileDigest } = await open();
    expect(tree.list('')).toEqual(['f\xe9', '\xc3\xbcn\xc3\xaf']);
    expect(fileDigest?.('f\xe9')).toBe(sha('latin'));
  });

  it('knows hard links, and leaves out sockets', async () => {
    await using engine = await createTestEngine();
    const { root, open } = await contextIn(engine, { a: 'x', c: 'y' });
    linkSync(join(root, 'a'), join(root, 'b'));
    const server = createServer().listen(join(root, 's'));
    try {
      await new Promise((resolve) => server.once('listening', resolve));
      const { tree } = await open();
      expect(tree.list('')).toEqual(['a', 'b', 'c']);
      expect(tree.linkId('a')).toBe(tree.linkId('b'));
      expect([tree.linkId('a') === undefined, tree.linkId('c')]).toEqual([false, undefined]);
    } finally {
      server.close();
    }
  });

  it('takes nothing for an empty context, and says what a missing one is', async () => {
    await using engine = await createTestEngine();
    expect(names(await openLocalTree({ env: engine.env }, { directory: undefined }))).toEqual([]);
    const missing = openLocalTree({ env: engine.env }, { directory: join(engine.directory, 'none') });
    await expect(missing).rejects.toMatchObject({ code: 'CONTEXT_NOT_FOUND' });
    writeFileSync(join(engine.directory, 'plain'), '');
    const file = openLocalTree({ env: engine.env }, { directory: join(engine.directory, 'plain') });
    await expect(file).rejects.toMatchObject({ code: 'CONTEXT_NOT_FOUND' });
  });
});

describe('openLocalTree() with ignore rules', () => {
  const files = { 'README.md': '', 'a/b/c': '', 'a/b/d': '', 'a/x': '', 'log/1.log': '', 'src/main': '' };
  const kept = async (ignore: string): Promise<readonly string[]> => {
    await using engine = await createTestEngine();
    return names(await (await contextIn(engine, files, ignore)).open());
  };

  it('drops what the rules drop', async () => {
    expect(await kept('a\n*.md\n')).toEqual(['log', 'log/1.log', 'src', 'src/main']);
    expect(await kept('**/*.log\nsrc/*\na\n')).toEqual(['README.md', 'log', 'src']);
  });

  it('keeps what is taken back, with the directories above it alone', async () => {
    expect(await kept('*\n!README.md\n')).toEqual(['README.md']);
    expect(await kept('*\n!a/b/c\n')).toEqual(['a', 'a/b', 'a/b/c']);
  });

  it('answers a path that was not listed before', async () => {
    await using engine = await createTestEngine();
    const { tree, ignoredBy } = await (await contextIn(engine, files, '# comment\nlog\n')).open();
    expect(tree.stat('log/1.log')).toBeUndefined();
    expect(tree.stat('src/main')?.type).toBe('file');
    expect(ignoredBy?.('log/1.log')).toEqual({ fileName: '.dockerignore', line: 2, pattern: 'log' });
    expect(ignoredBy?.('src/main')).toBeUndefined();
  });
});

describe('the stat cache of openLocalTree()', () => {
  const age = (root: string, name: string): void => utimesSync(join(root, name), OLD, OLD);

  it('does not trust a file that changed less than two seconds ago', async () => {
    await using engine = await createTestEngine();
    const { root, open } = await contextIn(engine, { a: 'one' });
    age(root, 'a');
    const first = await open();
    expect(first.fileDigest?.('a')).toBe(sha('one'));
    await first.saveDigests?.();
    // The change time is now, so nothing may have been kept, whatever the modification time says.
    writeFileSync(join(root, 'a'), 'two');
    age(root, 'a');
    expect((await open()).fileDigest?.('a')).toBe(sha('two'));
  });

  it('keeps digests of files that have rested, and reads again what has other stat data', async () => {
    await using engine = await createTestEngine();
    const { root, open } = await contextIn(engine, { a: 'one', b: 'other', 'sub/c': 'see' });
    const realNow = Date.now;
    Date.now = () => realNow() + 10_000;
    try {
      const first = await open();
      for (const path of ['a', 'b', 'sub/c']) first.fileDigest?.(path);
      await first.saveDigests?.();
      const { openStatCache } = await import('./stat-cache.ts');
      const { openHostTree } = await import('./host-tree.ts');
      const cached = async (path: string): Promise<string | undefined> => {
        const tree = openHostTree(root);
        const stamp = tree.stamp(path);
        return stamp === undefined ? undefined : (await openStatCache(engine.env.store, tree.root)).get(path, stamp);
      };
      expect([await cached('a'), await cached('sub/c'), await cached('b')]).toEqual([
        sha('one'),
        sha('see'),
        sha('other'),
      ]);
      writeFileSync(join(root, 'a'), 'changed');
      unlinkSync(join(root, 'b'));
      expect([await cached('a'), await cached('sub/c')]).toEqual([undefined, sha('see')]);
      const second = await open();
      second.tree.list('');
      expect(second.fileDigest?.('a')).toBe(sha('changed'));
      await second.saveDigests?.();
      expect([await cached('a'), await cached('sub/c')]).toEqual([sha('changed'), sha('see')]);
    } finally {
      Date.now = realNow;
    }
  });

  it('counts a damaged cache as empty', async () => {
    await using engine = await createTestEngine();
    const { root, open } = await contextIn(engine, { a: 'one' });
    const area = engine.env.store.area('stat-cache');
    const { digestHex, digestOf } = await import('../../core/index.ts');
    const key = digestHex(digestOf((await import('node:fs')).realpathSync(root)));
    await area.create(key, (path) => Promise.resolve(writeFileSync(path, 'zlstat2\n\u0001')));
    expect(existsSync(area.path(key))).toBe(true);
    expect((await open()).fileDigest?.('a')).toBe(sha('one'));
  });
});
