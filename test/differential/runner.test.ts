import { describe, expect, it } from 'vitest';
import type { FileNode } from '../support/flatten.ts';
import { checkExpectations } from './expectations.ts';
import { judgeCase } from './judge-case.ts';
import { parseNode } from './listing.ts';
import type { BuiltImage, OurImage, Outcome } from './outcome.ts';
import { parseCase } from './read-case.ts';
import { resolveEscapes, tokenize } from './tokens.ts';

const HEAD = 'It shows something.\n\nrules: 1 2\n';

/** An empty file's node. */
const NODE: FileNode = {
  kind: 'file',
  mode: 0o644,
  uid: 0,
  gid: 0,
  size: 0,
  mtime: 0,
  link: '',
  device: '',
  xattrs: {},
  sha256: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  linkGroup: '',
};

const CONFIG = { config: { User: 'app' }, rootfs: { diff_ids: [] }, history: [{ created_by: 'x', empty_layer: true }] };
const OURS: OurImage = { tree: new Map([['f', NODE]]), config: CONFIG, layers: [], warnings: ['W'], startedAt: 10 };

const built = <Image extends BuiltImage>(image: Image): Outcome<Image> => ({ kind: 'image', image });

describe('tokenize()', () => {
  it('takes what is in quotes as one word, with its escapes', () => {
    expect(tokenize('a "b \\"c\\"" "\\x41\\n"')).toEqual([
      { text: 'a', quoted: false },
      { text: 'b "c"', quoted: true },
      { text: 'A\n', quoted: true },
    ]);
  });
});

describe('resolveEscapes()', () => {
  it('knows bytes, repetitions and line ends', () => {
    expect(resolveEscapes('\\xe9\\{3:ab}\\t\\\\\\r')).toBe('\u00e9ababab\t\\\r');
  });
});

describe('parseNode()', () => {
  it('reads what a line states, and nothing else', () => {
    expect(parseNode('file 0640 1:2 @3 /a/b "x\\n"')).toEqual({
      kind: 'file',
      path: 'a/b',
      mode: 0o640,
      uid: 1,
      gid: 2,
      mtime: 3,
      content: 'x\n',
    });
    expect(parseNode('symlink l -> /t')).toEqual({ kind: 'symlink', path: 'l', link: '/t' });
    expect(parseNode('file "0644"')).toEqual({ kind: 'file', path: '0644' });
  });

  it.each(['thing /x', 'file', 'file a b', 'symlink a -> b c'])('refuses %j', (line) => {
    expect(() => parseNode(line)).toThrow();
  });
});

describe('parseCase()', () => {
  it('reads fields, files and sections', () => {
    const text = `${HEAD}allow: "a b" mode why\nfails: CODE some text\n\n-- Dockerfile --\nFROM x\n-- d/ 0700 --\n== expect ==\nlayers 1\n`;
    expect(parseCase('theme/name', text)).toMatchObject({
      theme: 'theme',
      about: 'It shows something.',
      rules: [1, 2],
      allow: [{ path: 'a b', field: 'mode', reason: 'why' }],
      fails: { code: 'CODE', text: 'some text' },
      files: [
        { kind: 'file', path: 'Dockerfile', content: 'FROM x\n' },
        { kind: 'directory', path: 'd', mode: 0o700 },
      ],
      expect: ['layers 1'],
    });
  });

  it.each([
    ['a field that there is none', `${HEAD}alow: x\n`],
    ['no rule', 'It shows something.\n\ntarget: x\n'],
    ['an allowance without a reason', `${HEAD}allow: path mode\n`],
    ['a section that there is none', `${HEAD}\n== expected ==\n`],
    ['a reference without a reason', `${HEAD}reference: refuses\n`],
  ])('refuses %s, and names the case', (_, text) => {
    expect(() => parseCase('theme/name', text)).toThrow(/^theme\/name: /);
  });
});

describe('checkExpectations()', () => {
  it.each([
    'file 0644 0:0 /f ""',
    'absent /g',
    'entries / f',
    'config User "app"',
    'config Cmd absent',
    'layers 0',
    'history empty x',
    'warning W',
  ])('finds that %s holds', async (line) => {
    expect(await checkExpectations([line], OURS)).toEqual([]);
  });

  it.each([
    'file 0600 /f',
    'file 1:0 /f',
    'file @1 /f',
    'dir /f',
    'file /g',
    'absent /f',
    'file /f "x"',
    'hardlink /f = g',
    'entries / f g',
    'config User "other"',
    'config User absent',
    'layers 1',
    'layer 1 f',
    'history layer x',
    'warning V',
    'warning none',
  ])('finds that %s does not hold', async (line) => {
    expect(await checkExpectations([line], OURS)).toHaveLength(1);
  });

  it('refuses a line that it does not know', async () => {
    await expect(checkExpectations(['layeers 1'], OURS)).rejects.toThrow('layeers');
  });
});

describe('judgeCase()', () => {
  const problemsOf = async (
    fields: string,
    ours: Outcome<OurImage>,
    theirs?: Outcome<BuiltImage>,
  ): Promise<readonly string[]> => (await judgeCase(parseCase('t/n', `${HEAD}${fields}`), ours, theirs)).problems;
  const other = built<BuiltImage>({ ...OURS, tree: new Map([['f', { ...NODE, mode: 0o600 }]]) });
  const failure = { kind: 'failure', code: 'CODE', message: 'it says why' } as const;

  it('passes equal images', async () => {
    expect(await problemsOf('', built(OURS), built<BuiltImage>(OURS))).toEqual([]);
  });

  it('prints a difference, unless it is allowed by path and field', async () => {
    expect((await problemsOf('', built(OURS), other)).join()).toContain('"f" mode: ours 0644, theirs 0600');
    expect(await problemsOf('allow: f mode scaffolding\n', built(OURS), other)).toEqual([]);
    expect((await problemsOf('allow: f uid scaffolding\n', built(OURS), other)).join()).toContain('is not needed');
  });

  it('wants both to fail where the case says so, ours with its code and text', async () => {
    expect(await problemsOf('fails: CODE says why\n', failure, failure)).toEqual([]);
    expect(await problemsOf('fails: CODE something else\n', failure, failure)).toHaveLength(1);
    expect(await problemsOf('fails: OTHER says why\n', failure, failure)).toHaveLength(1);
    expect(await problemsOf('fails: CODE says why\n', built(OURS), failure)).toHaveLength(1);
    expect(await problemsOf('fails: CODE says why\n', failure, built<BuiltImage>(OURS))).toHaveLength(1);
    expect(await problemsOf('', failure, failure)).toHaveLength(2);
  });

  it('checks what is said of the reference', async () => {
    expect(await problemsOf('reference: refuses why\n', built(OURS), failure)).toEqual([]);
    expect(await problemsOf('reference: refuses why\n', built(OURS), built<BuiltImage>(OURS))).toHaveLength(1);
    const accepts = 'reference: accepts why\nfails: CODE says why\n';
    expect(await problemsOf(accepts, failure, built<BuiltImage>(OURS))).toEqual([]);
    expect(await problemsOf(accepts, failure, failure)).toHaveLength(1);
  });
});
