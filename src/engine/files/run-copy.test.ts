import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type FileTree, readContent } from '../../archive/index.ts';
import { BuildError, bytePathOf, isBuildError } from '../../core/index.ts';
import {
  CLOCK,
  contextOf,
  createTestEngine,
  directory,
  entry,
  file,
  from,
  fromStage,
  listing,
  symlink,
  type TestEngine,
} from '../test-engine.fixture.ts';
import type { OpResult } from '../types.ts';

const text = (tree: FileTree, path: string): string => {
  const found = tree.stat(bytePathOf(path));
  if (found === undefined) return '(missing)';
  return Buffer.concat([...readContent(tree.content(found.path), found.sizeBytes)]).toString();
};

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'no error';
  } catch (error) {
    return error instanceof BuildError ? error.code : String(error);
  }
}

/** A stage whose root has some directories, links and accounts. */
async function stageOf(engine: TestEngine, items: Parameters<TestEngine['layer']>[0]): Promise<OpResult> {
  return { kind: 'layers', layers: [await engine.layer(items)] };
}

describe('runCopy() of files', () => {
  it('copies a file to a name that is not there', async () => {
    await using engine = await createTestEngine();
    const tree = await engine.copy({ sources: [from('a.txt')], destination: '/dst' }, [
      contextOf([file('a.txt', 'hello')]),
    ]);
    expect(listing(tree)).toEqual(['-644 0:0 dst']);
    expect(text(tree, 'dst')).toBe('hello');
  });

  it('copies a file into a directory that exists', async () => {
    await using engine = await createTestEngine();
    const base = await stageOf(engine, [directory('dst', { mode: 0o700, uid: 7, gid: 8 })]);
    const tree = await engine.copy({ base: 0, sources: [from('a', 1)], destination: '/dst' }, [
      base,
      contextOf([file('a')]),
    ]);
    expect(listing(tree)).toEqual(['d700 7:8 dst', '-644 0:0 dst/a']);
  });

  it('makes the directory that a trailing slash asks for, with its parents, 0755 and at the build time', async () => {
    await using engine = await createTestEngine();
    const tree = await engine.copy({ sources: [from('a')], destination: '/x/y/' }, [contextOf([file('a')])]);
    expect(listing(tree)).toEqual(['d755 0:0 x', 'd755 0:0 x/y', '-644 0:0 x/y/a']);
    expect(tree.stat('x')?.mtime).toBe(CLOCK);
  });

  it('keeps the mtime of files', async () => {
    await using engine = await createTestEngine();
    const tree = await engine.copy({ sources: [from('a')], destination: '/a' }, [
      contextOf([file('a', '', { mtime: 12345 })]),
    ]);
    expect(tree.stat('a')?.mtime).toBe(12345);
  });

  it('clamps later mtimes when timestamps are rewritten', async () => {
    await using engine = await createTestEngine({ clampMtime: 1000 });
    const items = [file('a', '', { mtime: 12345 }), file('b', '', { mtime: 500 })];
    const tree = await engine.copy({ sources: [from('/')], destination: '/d/' }, [contextOf(items)]);
    expect(['d', 'd/a', 'd/b'].map((path) => tree.stat(path)?.mtime)).toEqual([0, 1000, 500]);
  });

  it.each(['../x', '/x', './x', 'a/../x', '../../x/'])('takes %s as x under the root of the context', async (path) => {
    await using engine = await createTestEngine();
    const tree = await engine.copy({ sources: [from(path)], destination: '/y' }, [contextOf([file('x', 'in')])]);
    expect(text(tree, 'y')).toBe('in');
  });

  it('refuses several files for a destination that is no directory', async () => {
    await using engine = await createTestEngine();
    const context = contextOf([file('a'), file('b')]);
    expect(await codeOf(engine.copy({ sources: [from('a'), from('b')], destination: '/d' }, [context]))).toBe(
      'COPY_CONFLICT',
    );
    expect(await codeOf(engine.copy({ sources: [from('*')], destination: '/d' }, [context]))).toBe('COPY_CONFLICT');
  });

  it('copies the one match of a wildcard to a file', async () => {
    await using engine = await createTestEngine();
    const tree = await engine.copy({ sources: [from('a*')], destination: '/d' }, [contextOf([file('abc'), file('b')])]);
    expect(listing(tree)).toEqual(['-644 0:0 d']);
  });

  it('refuses a file where a directory is, and a directory where a file is', async () => {
    await using engine = await createTestEngine();
    const base = await stageOf(engine, [directory('d'), directory('d/a'), file('f')]);
    const context = contextOf([file('a'), directory('sub'), file('sub/x')]);
    expect(await codeOf(engine.copy({ base: 0, sources: [from('a', 1)], destination: '/d/' }, [base, context]))).toBe(
      'COPY_CONFLICT',
    );
    expect(await codeOf(engine.copy({ base: 0, sources: [from('sub', 1)], destination: '/f' }, [base, context]))).toBe(
      'COPY_CONFLICT',
    );
    expect(await codeOf(engine.copy({ base: 0, sources: [from('a', 1)], destination: '/f/x' }, [base, context]))).toBe(
      'COPY_CONFLICT',
    );
  });

  it('copies inline files 0644, and with --chown and --chmod', async () => {
    await using engine = await createTestEngine();
    const sources = [
      { kind: 'inline', fileName: 'a.txt', text: 'A\n' },
      { kind: 'inline', fileName: 'b.txt', text: '' },
    ] as const;
    expect(listing(await engine.copy({ sources, destination: '/d/' }, []))).toEqual([
      'd755 0:0 d',
      '-644 0:0 d/a.txt',
      '-644 0:0 d/b.txt',
    ]);
    const changed = await engine.copy({ sources, destination: '/d/', chown: '5:6', chmod: '600' }, []);
    expect(listing(changed)).toEqual(['d600 5:6 d', '-600 5:6 d/a.txt', '-600 5:6 d/b.txt']);
    expect(text(changed, 'd/a.txt')).toBe('A\n');
  });

  it('keeps names that are not UTF-8, byte for byte', async () => {
    await using engine = await createTestEngine();
    const odd = { ...entry('x'), path: 'caf\xe9/\xff' };
    const tree = await engine.copy({ sources: [from('/')], destination: '/d/' }, [
      contextOf([{ entry: odd }, file('ünï')]),
    ]);
    expect(tree.list('d')).toEqual(['caf\xe9', '\xc3\xbcn\xc3\xaf']);
    expect(tree.stat('d/caf\xe9/\xff')?.type).toBe('file');
  });

  it('copies fifos and devices as such', async () => {
    await using engine = await createTestEngine();
    const items = [
      { entry: entry('null', { type: 'char', device: { major: 1, minor: 3 } }) },
      { entry: entry('p', { type: 'fifo' }) },
    ];
    const tree = await engine.copy({ sources: [fromStage('/')], destination: '/d/' }, [await stageOf(engine, items)]);
    expect(tree.stat('d/null')).toMatchObject({ type: 'char', device: { major: 1, minor: 3 } });
    expect(tree.stat('d/p')?.type).toBe('fifo');
  });
});

describe('runCopy() of directories', () => {
  const context = contextOf([
    directory('src', { mode: 0o700, mtime: 777 }),
    directory('src/sub', { mode: 0o750 }),
    file('src/sub/f', 'x', { mode: 0o4755, uid: 1000, gid: 1000 }),
    directory('src/empty'),
  ]);

  it.each(['src', 'src/', '/src'])('copies the content of %s, never the directory itself', async (path) => {
    await using engine = await createTestEngine();
    const tree = await engine.copy({ sources: [from(path)], destination: '/dst' }, [context]);
    expect(listing(tree)).toEqual(['d755 0:0 dst', 'd755 0:0 dst/empty', 'd750 0:0 dst/sub', '-4755 0:0 dst/sub/f']);
  });

  it('keeps mode and owner of a destination that exists, with the time of the source', async () => {
    await using engine = await createTestEngine();
    const base = await stageOf(engine, [directory('dst', { mode: 0o711, uid: 3, gid: 4 })]);
    const tree = await engine.copy({ base: 0, sources: [from('src', 1)], destination: '/dst' }, [base, context]);
    expect(tree.stat('dst')).toMatchObject({ mode: 0o711, uid: 3, gid: 4, mtime: 777 });
  });

  it('gives nested directories the metadata of the source, also over existing ones', async () => {
    await using engine = await createTestEngine();
    const base = await stageOf(engine, [
      directory('dst'),
      directory('dst/sub', { mode: 0o777, uid: 9, gid: 9 }),
      file('dst/sub/old'),
    ]);
    const tree = await engine.copy({ base: 0, sources: [from('src', 1)], destination: '/dst' }, [base, context]);
    expect(tree.stat('dst/sub')).toMatchObject({ mode: 0o750, uid: 0, gid: 0 });
    expect(tree.list('dst/sub')).toEqual(['f', 'old']);
  });

  it('keeps owners, modes, times and attributes of a stage', async () => {
    await using engine = await createTestEngine();
    const xattrs = new Map([['security.capability', new Uint8Array([1, 0, 0, 2])]]);
    const stage = await stageOf(engine, [
      file('bin/ping', 'x', { mode: 0o6755, uid: 1000, gid: 50, mtime: 42, xattrs }),
    ]);
    for (const chown of [undefined, '7']) {
      const owned = chown === undefined ? {} : { chown };
      const tree = await engine.copy({ sources: [fromStage('bin')], destination: '/b/', ...owned }, [stage]);
      const found = tree.stat('b/ping');
      expect(found).toMatchObject({
        mode: 0o6755,
        uid: chown === undefined ? 1000 : 7,
        gid: chown === undefined ? 50 : 7,
        mtime: 42,
      });
      expect([...(found?.xattrs?.get('security.capability') ?? [])]).toEqual([1, 0, 0, 2]);
    }
  });

  it('keeps hard links within one copy, and makes a plain file of one whose partner stays behind', async () => {
    await using engine = await createTestEngine();
    const link = { entry: entry('b', { type: 'hardlink', linkTarget: 'a' }) };
    const source = contextOf([file('a', 'same'), link, file('c')]);
    const both = await engine.copy({ sources: [from('/')], destination: '/d/' }, [source]);
    expect(both.linkId('d/a')).toBeDefined();
    expect(both.linkId('d/b')).toBe(both.linkId('d/a'));
    const one = await engine.copy({ sources: [from('b')], destination: '/d/' }, [source]);
    expect(one.linkId('d/b')).toBeUndefined();
    expect(text(one, 'd/b')).toBe('same');
  });

  it('does not touch the other name of a file of the base that it replaces', async () => {
    await using engine = await createTestEngine();
    const base = await stageOf(engine, [
      file('a', 'old'),
      { entry: entry('b', { type: 'hardlink', linkTarget: 'a' }) },
    ]);
    const tree = await engine.copy({ base: 0, sources: [from('n', 1)], destination: '/a' }, [
      base,
      contextOf([file('n', 'new')]),
    ]);
    expect([text(tree, 'a'), text(tree, 'b')]).toEqual(['new', 'old']);
  });

  it('flattens what a wildcard finds by one level', async () => {
    await using engine = await createTestEngine();
    const tree = await engine.copy({ sources: [from('src/*')], destination: '/d/' }, [context]);
    expect(listing(tree)).toEqual(['d755 0:0 d', '-4755 0:0 d/f']);
  });
});

describe('runCopy() and symlinks', () => {
  const context = contextOf([
    file('real', 'content'),
    symlink('link', 'real'),
    symlink('abs', '/real'),
    symlink('out', '../../../real'),
    symlink('dangling', 'nowhere'),
    directory('dir'),
    file('dir/x'),
    symlink('dir/inner', '../nowhere'),
    symlink('dirlink', 'dir'),
  ]);

  it.each(['link', 'abs', 'out'])('copies what %s leads to, inside the context', async (path) => {
    await using engine = await createTestEngine();
    const tree = await engine.copy({ sources: [from(path)], destination: '/d' }, [context]);
    expect(tree.stat('d')?.type).toBe('file');
    expect(text(tree, 'd')).toBe('content');
  });

  it('gives a followed link its own name in a directory, also when a wildcard found it', async () => {
    await using engine = await createTestEngine();
    const tree = await engine.copy({ sources: [from('l*k')], destination: '/d/' }, [context]);
    expect(listing(tree)).toEqual(['d755 0:0 d', '-644 0:0 d/link']);
  });

  it('copies the content of a directory behind a link', async () => {
    await using engine = await createTestEngine();
    const tree = await engine.copy({ sources: [from('dirlink')], destination: '/d' }, [context]);
    expect(tree.list('d')).toEqual(['inner', 'x']);
  });

  it('keeps links inside a directory as they are, dangling or not', async () => {
    await using engine = await createTestEngine();
    const tree = await engine.copy({ sources: [from('dir')], destination: '/d', chmod: '600' }, [context]);
    expect(tree.stat('d/inner')).toMatchObject({ type: 'symlink', linkTarget: '../nowhere', mode: 0o777 });
  });

  it('does not find what a link leads to when nothing is there', async () => {
    await using engine = await createTestEngine();
    expect(await codeOf(engine.copy({ sources: [from('dangling')], destination: '/d' }, [context]))).toBe(
      'SOURCE_NOT_FOUND',
    );
  });

  it('follows links of the destination inside the image, the last component included', async () => {
    await using engine = await createTestEngine();
    const base = await stageOf(engine, [
      file('real', 'old'),
      symlink('link', '/real'),
      directory('etc'),
      symlink('esc', '../../etc'),
    ]);
    const onto = await engine.copy({ base: 0, sources: [from('real', 1)], destination: '/link' }, [base, context]);
    expect([onto.stat('link')?.type, text(onto, 'real')]).toEqual(['symlink', 'content']);
    const into = await engine.copy({ base: 0, sources: [from('real', 1)], destination: '/esc/' }, [base, context]);
    expect([into.stat('esc')?.type, text(into, 'etc/real')]).toEqual(['symlink', 'content']);
  });

  it('makes the place that a dangling link of the destination names', async () => {
    await using engine = await createTestEngine();
    const base = await stageOf(engine, [symlink('data', 'mnt/data')]);
    const tree = await engine.copy({ base: 0, sources: [from('real', 1)], destination: '/data/x/' }, [base, context]);
    expect(text(tree, 'mnt/data/x/real')).toBe('content');
  });

  it('shadows a link of the base with a directory when it is linked', async () => {
    await using engine = await createTestEngine();
    const base = await engine.layer([directory('real'), symlink('dst', '/real')]);
    const alone = await engine.copyLayer({ sources: [from('real')], destination: '/dst/f' }, [context]);
    expect(listing(alone)).toEqual(['d755 0:0 dst', '-644 0:0 dst/f']);
    const inside = await engine.copyLayer({ base: 0, sources: [from('real', 1)], destination: '/dst/f' }, [
      { kind: 'layers', layers: [base] },
      context,
    ]);
    expect(inside.stat('real/f')?.type).toBe('file');
  });
});

describe('runCopy() with wildcards', () => {
  const context = contextOf([
    file('.hidden'),
    file('a.txt'),
    file('b.txt'),
    file('arr[0].txt'),
    file('star*'),
    directory('sub'),
    file('sub/c.txt'),
    directory('sub/deep'),
    file('sub/deep/d.txt'),
  ]);
  const names = async (pattern: string): Promise<readonly string[]> => {
    await using engine = await createTestEngine();
    const tree = await engine.copy({ sources: [from(pattern)], destination: '/d/' }, [context]);
    return tree.list('d');
  };

  it('stops * at a slash, and matches hidden files', async () => {
    expect(await names('*.txt')).toEqual(['a.txt', 'arr[0].txt', 'b.txt']);
    expect(await names('.h*')).toEqual(['.hidden']);
    expect(await names('sub/*.txt')).toEqual(['c.txt']);
    expect(await names('*/c.txt')).toEqual(['c.txt']);
  });

  it('takes classes and quotes', async () => {
    expect(await names('[ab].txt')).toEqual(['a.txt', 'b.txt']);
    expect(await names('?.txt')).toEqual(['a.txt', 'b.txt']);
    expect(await names('arr[[]0].txt')).toEqual(['arr[0].txt']);
    expect(await names('star\\*')).toEqual(['star*']);
  });

  it('gives ** no meaning of its own', async () => {
    expect(await names('**/c.txt')).toEqual(['c.txt']);
    expect(await names('**/d.txt')).toEqual([]);
  });

  it('copies nothing, with a warning, when a wildcard matches nothing', async () => {
    await using engine = await createTestEngine();
    const tree = await engine.copy({ sources: [from('nomatch*'), from('a.txt')], destination: '/d/' }, [context]);
    expect(tree.list('d')).toEqual(['a.txt']);
    await engine.copy({ sources: [from('nomatch*')], destination: '/d/', parents: true }, [context]);
    const warning = { kind: 'warning', code: 'CopyMatchesNothing' };
    expect(engine.events).toMatchObject([warning, warning]);
  });

  it('refuses a malformed pattern', async () => {
    await using engine = await createTestEngine();
    expect(await codeOf(engine.copy({ sources: [from('[')], destination: '/d/' }, [context]))).toBe(
      'DOCKERFILE_INVALID',
    );
    expect(await codeOf(engine.copy({ sources: [from('no/such/[')], destination: '/d/' }, [context]))).toBe(
      'DOCKERFILE_INVALID',
    );
  });

  it('names what is missing, and what looks like it', async () => {
    await using engine = await createTestEngine();
    const work = engine.copy({ sources: [from('sub/C.tx')], destination: '/d' }, [context]);
    const error = await work.catch((thrown: unknown) => thrown);
    expect(isBuildError(error, 'SOURCE_NOT_FOUND')).toBe(true);
    expect(error).toMatchObject({ facts: { path: 'sub/C.tx' }, hint: expect.stringContaining('"sub/c.txt"') });
  });

  it('names the ignore rule that hides a source', async () => {
    await using engine = await createTestEngine();
    const ignoredBy = (): { fileName: string; line: number; pattern: string } => ({
      fileName: '.dockerignore',
      line: 3,
      pattern: '*.log',
    });
    const work = engine.copy({ sources: [from('x.log')], destination: '/d' }, [{ ...context, ignoredBy }]);
    await expect(work).rejects.toMatchObject({
      message: expect.stringMatching(/"\*\.log" in line 3 of \.dockerignore hides it/),
      facts: { path: 'x.log', ignoredBy: { fileName: '.dockerignore', line: 3, pattern: '*.log' } },
    });
  });

  it('refuses a wildcard that must match and matches nothing, with --parents too', async () => {
    await using engine = await createTestEngine();
    const copy = (path: string, parents: boolean): Promise<unknown> =>
      engine.copy({ sources: [from(path, 0, { mustMatch: true })], destination: '/d/', parents }, [context]);
    for (const parents of [false, true]) {
      await expect(copy('sub/none*', parents)).rejects.toMatchObject({
        code: 'SOURCE_NOT_FOUND',
        message: 'Nothing matches "sub/none*" in what it is copied from.',
      });
      await expect(copy('sub/c*', parents)).resolves.toBeDefined();
    }
    expect(engine.events).toEqual([]);
  });
});

describe('runCopy() with --exclude', () => {
  const context = contextOf([
    file('dir/a.txt'),
    file('dir/b.md'),
    file('dir/sub/c.txt'),
    file('dir/sub/keep.txt'),
    file('home.txt'),
    file('home.png'),
  ]);
  const copied = async (source: string, exclude: readonly string[]): Promise<readonly string[]> => {
    await using engine = await createTestEngine();
    const tree = await engine.copy({ sources: [from(source)], destination: '/d/', exclude }, [context]);
    return listing(tree).map((line) => line.split(' ').at(-1) as string);
  };

  it('matches relative to what is copied', async () => {
    expect(await copied('dir', ['*.txt'])).toEqual(['d', 'd/b.md', 'd/sub', 'd/sub/c.txt', 'd/sub/keep.txt']);
    expect(await copied('.', ['*/*.txt', 'home*'])).toEqual([
      'd',
      'd/dir',
      'd/dir/b.md',
      'd/dir/sub',
      'd/dir/sub/c.txt',
      'd/dir/sub/keep.txt',
    ]);
  });

  it('takes ** for any depth, and drops a directory with all below', async () => {
    expect(await copied('dir', ['**/*.txt'])).toEqual(['d', 'd/b.md', 'd/sub']);
    expect(await copied('dir', ['sub'])).toEqual(['d', 'd/a.txt', 'd/b.md']);
  });

  it('takes back what ! names, with its parents', async () => {
    expect(await copied('dir', ['sub', '*.txt', '!sub/keep.txt'])).toEqual(['d', 'd/b.md', 'd/sub', 'd/sub/keep.txt']);
  });

  it('drops files that the pattern of the source found, as documented', async () => {
    expect(await copied('home*', ['*.txt'])).toEqual(['d', 'd/home.png']);
  });

  it('copies a directory without its content when everything is excluded', async () => {
    expect(await copied('dir*', ['*'])).toEqual(['d']);
  });
});

describe('runCopy() with --parents', () => {
  const context = contextOf([
    directory('a', { mode: 0o711 }),
    directory('a/b', { mode: 0o750 }),
    file('a/b/c/d/foo'),
    file('a/b/c/d/e/bay'),
    file('a/b2/c/d/e/bar'),
    file('x/y/z.txt'),
    file('top.txt'),
  ]);
  const copied = async (...sources: readonly string[]): Promise<readonly string[]> => {
    await using engine = await createTestEngine();
    const tree = await engine.copy({ sources: sources.map((path) => from(path)), destination: '/o/', parents: true }, [
      context,
    ]);
    return listing(tree)
      .filter((line) => line.startsWith('-'))
      .map((line) => line.split(' ').at(-1) as string);
  };

  it('keeps the directories above, and those behind the pivot only', async () => {
    expect(await copied('a/b/c/d/foo', 'x/./y/z.txt')).toEqual(['o/a/b/c/d/foo', 'o/y/z.txt']);
  });

  it('takes the modes of parents from the source', async () => {
    await using engine = await createTestEngine();
    const tree = await engine.copy({ sources: [from('a/b/c/d/foo')], destination: '/o/', parents: true }, [context]);
    expect(listing(tree).slice(0, 3)).toEqual(['d755 0:0 o', 'd711 0:0 o/a', 'd750 0:0 o/a/b']);
  });

  it('cleans the path around the pivot', async () => {
    expect(await copied('/a/b/c/d/.')).toEqual(['o/a/b/c/d/e/bay', 'o/a/b/c/d/foo']);
    expect(await copied('./a/b/c/d')).toEqual(['o/a/b/c/d/e/bay', 'o/a/b/c/d/foo']);
    expect(await copied('/a/./b/./c')).toEqual(['o/b/c/d/e/bay', 'o/b/c/d/foo']);
  });

  it('matches wildcards on both sides of the pivot, ** behind it', async () => {
    expect(await copied('/a/./*/c')).toEqual(['o/b/c/d/e/bay', 'o/b/c/d/foo', 'o/b2/c/d/e/bar']);
    expect(await copied('/a/b*/./c/**/e')).toEqual(['o/c/d/e/bar', 'o/c/d/e/bay']);
    expect(await copied('**/*.txt')).toEqual(['o/top.txt', 'o/x/y/z.txt']);
  });

  it('makes the destination when a wildcard matches nothing, and nothing else', async () => {
    await using engine = await createTestEngine();
    const tree = await engine.copy({ sources: [from('a/b3*/c')], destination: '/o/', parents: true }, [context]);
    expect(listing(tree)).toEqual(['d755 0:0 o']);
  });

  it('does not find a plain path that is missing', async () => {
    await using engine = await createTestEngine();
    const work = engine.copy({ sources: [from('a/nothing')], destination: '/o/', parents: true }, [context]);
    expect(await codeOf(work)).toBe('SOURCE_NOT_FOUND');
  });
});

describe('runCopy() with --chown and --chmod', () => {
  const accounts = [
    file('etc/passwd', 'root:x:0:0::/root:/bin/sh\napp:x:1234:5678::/:/bin/sh\nbroken\n'),
    file('etc/group', 'root:x:0:\nstaff:x:50:app\n'),
  ];
  const context = contextOf([
    directory('d', { mode: 0o755 }),
    file('d/f', '', { mode: 0o640 }),
    file('d/x', '', { mode: 0o744 }),
  ]);

  it.each([
    ['1000', '1000:1000'],
    ['1:2', '1:2'],
    ['app', '1234:5678'],
    ['app:staff', '1234:50'],
    ['app:7', '1234:7'],
    [':staff', '0:50'],
    ['9:staff', '9:50'],
  ])('resolves %s to %s in the stage that is built', async (chown, expected) => {
    await using engine = await createTestEngine();
    const base = await stageOf(engine, accounts);
    const tree = await engine.copy({ base: 0, sources: [from('d', 1)], destination: '/n/m', chown }, [base, context]);
    const owners = ['n', 'n/m', 'n/m/f'].map((path) => `${tree.stat(path)?.uid}:${tree.stat(path)?.gid}`);
    expect(owners).toEqual([expected, expected, expected]);
  });

  it('refuses names that the image does not know', async () => {
    await using engine = await createTestEngine();
    const base = await stageOf(engine, accounts);
    for (const chown of ['nobody', 'app:nogroup', 'broken']) {
      const work = engine.copy({ base: 0, sources: [from('d', 1)], destination: '/n', chown }, [base, context]);
      expect(await codeOf(work)).toBe('USER_NOT_FOUND');
    }
  });

  it('reads accounts through links inside the image', async () => {
    await using engine = await createTestEngine();
    const base = await stageOf(engine, [symlink('etc', '/usr/etc'), file('usr/etc/passwd', 'app:x:5:6::/:\n')]);
    const tree = await engine.copy({ base: 0, sources: [from('d/f', 1)], destination: '/f', chown: 'app' }, [
      base,
      context,
    ]);
    expect(tree.stat('f')).toMatchObject({ uid: 5, gid: 6 });
  });

  it.each([
    ['600', ['d600 0:0 n', '-600 0:0 n/f', '-600 0:0 n/x']],
    ['0755', ['d755 0:0 n', '-755 0:0 n/f', '-755 0:0 n/x']],
    ['4755', ['d4755 0:0 n', '-4755 0:0 n/f', '-4755 0:0 n/x']],
    ['u=rwX,go=rX', ['d755 0:0 n', '-644 0:0 n/f', '-755 0:0 n/x']],
    ['+x', ['d755 0:0 n', '-751 0:0 n/f', '-755 0:0 n/x']],
    ['go=', ['d755 0:0 n', '-600 0:0 n/f', '-700 0:0 n/x']],
  ])('applies --chmod=%s', async (chmod, expected) => {
    await using engine = await createTestEngine();
    expect(listing(await engine.copy({ sources: [from('d')], destination: '/n', chmod }, [context]))).toEqual(expected);
  });

  it.each(['abc', '8', '77777', 'u=q', 'z+x', ''])('refuses the mode "%s"', async (chmod) => {
    await using engine = await createTestEngine();
    const work = engine.copy({ sources: [from('d')], destination: '/n', chmod }, [context]);
    expect(await codeOf(work)).toBe('DOCKERFILE_INVALID');
  });
});

describe('runCopy() and the store', () => {
  it('keeps the layer uncompressed under its diffId, and the same bytes every time', async () => {
    await using engine = await createTestEngine();
    const copy = { sources: [from('/')], destination: '/d/' };
    const { runCopy } = await import('./run-copy.ts');
    const { copyOp } = await import('../test-engine.fixture.ts');
    const inputs = [contextOf([file('b', '2'), file('a', '1')])];
    const first = await runCopy({ env: engine.env }, { op: copyOp(copy), inputs }, engine.context);
    const second = await runCopy({ env: engine.env }, { op: copyOp(copy), inputs }, engine.context);
    expect(second).toEqual(first);
    expect(first.blob.digest).toBe(first.diffId);
    expect(readFileSync(engine.env.store.blobs.path(first.diffId)).length).toBe(first.blob.size);
    expect(await engine.env.store.area('tocs').has(first.diffId.slice('sha256:'.length))).toBe(true);
  });

  it('does nothing when it is cancelled', async () => {
    await using engine = await createTestEngine();
    const { runCopy } = await import('./run-copy.ts');
    const { copyOp } = await import('../test-engine.fixture.ts');
    const context = { ...engine.context, signal: AbortSignal.abort() };
    const op = copyOp({ sources: [from('a')], destination: '/a' });
    expect(await codeOf(runCopy({ env: engine.env }, { op, inputs: [contextOf([file('a')])] }, context))).toBe(
      'CANCELLED',
    );
  });

  it('refuses names that mean deletions in a layer', async () => {
    await using engine = await createTestEngine();
    const work = engine.copy({ sources: [from('/')], destination: '/d/' }, [contextOf([file('.wh.x')])]);
    expect(await codeOf(work)).toBe('ARCHIVE_INVALID');
  });
});
