import { describe, expect, it } from 'vitest';
import { compareConfigs } from './compare-configs.ts';
import { compareTrees } from './compare-trees.ts';
import { judge } from './differences.ts';
import type { FileNode, FlatTree } from './flatten.ts';

const FILE: FileNode = {
  kind: 'file',
  mode: 0o644,
  uid: 0,
  gid: 0,
  size: 3,
  mtime: 1_700_000_000,
  link: '',
  device: '',
  xattrs: {},
  sha256: 'aa',
  linkGroup: '',
};
const BUILT = { builtSince: 1_800_000_000 };

describe('compareTrees()', () => {
  it('finds nothing between equal trees', () => {
    expect(compareTrees(treeOf(FILE), treeOf({ ...FILE }), BUILT)).toEqual([]);
  });

  const planted: ReadonlyArray<readonly [string, Partial<FileNode>]> = [
    ['kind', { kind: 'fifo' }],
    ['mode', { mode: 0o4644 }],
    ['uid', { uid: 1 }],
    ['gid', { gid: 1 }],
    ['size', { size: 4 }],
    ['sha256', { sha256: 'bb' }],
    ['device', { device: '1:3' }],
    ['xattrs', { xattrs: { 'security.capability': '01' } }],
    ['linkGroup', { linkGroup: 'file\nother' }],
    ['mtime', { mtime: 1_700_000_001 }],
  ];
  for (const [field, change] of planted) {
    it(`finds another ${field}`, () => {
      const fields = compareTrees(treeOf(FILE), treeOf({ ...FILE, ...change }), BUILT).map((each) => each.field);
      expect(fields).toContain(field);
    });
  }

  it('finds another target of a symlink', () => {
    const link: FileNode = { ...FILE, kind: 'symlink', link: 'a' };
    expect(compareTrees(treeOf(link), treeOf({ ...link, link: 'b' }), BUILT)).toHaveLength(1);
  });

  it('finds a name that one tree lacks, on either side', () => {
    const empty: FlatTree = new Map();
    expect(compareTrees(treeOf(FILE), empty, BUILT)).toMatchObject([{ field: 'presence', theirs: 'absent' }]);
    expect(compareTrees(empty, treeOf(FILE), BUILT)).toMatchObject([{ field: 'presence', ours: 'absent' }]);
  });

  it('accepts two times of the builds, but not a time of a build where the other kept one', () => {
    const late = { ...FILE, mtime: 1_800_000_005 };
    expect(compareTrees(treeOf(late), treeOf({ ...FILE, mtime: 1_800_000_009 }), BUILT)).toEqual([]);
    expect(compareTrees(treeOf(late), treeOf(FILE), BUILT)).toMatchObject([{ field: 'mtime' }]);
  });

  it('compares times of directories only where both come from the input', () => {
    const folder: FileNode = { ...FILE, kind: 'directory' };
    const compareWith = (mtime: number) => compareTrees(treeOf(folder), treeOf({ ...folder, mtime }), BUILT).length;
    expect([compareWith(1_800_000_005), compareWith(1_700_000_001)]).toEqual([0, 1]);
  });
});

describe('compareConfigs()', () => {
  it('takes absent, null and empty for the same', () => {
    expect(compareConfigs({ config: { Cmd: null, Env: [] } }, { config: { Labels: {} } })).toEqual([]);
  });

  it('finds another order of the environment, and a volume that is missing', () => {
    const ours = { config: { Env: ['A=1', 'B=2'], Volumes: { '/a': {} } } };
    const theirs = { config: { Env: ['B=2', 'A=1'], Volumes: { '/a': {}, '/b': {} } } };
    expect(compareConfigs(ours, theirs).map(({ field }) => field)).toEqual(['config.Env', 'config.Volumes']);
  });

  it('ignores the order of labels and finds a changed one', () => {
    const of = (Labels: Record<string, string>) => ({ config: { Labels } });
    expect(compareConfigs(of({ a: '1', b: '2' }), of({ b: '2', a: '1' }))).toEqual([]);
    expect(compareConfigs(of({ a: '1' }), of({ a: '2' }))).toHaveLength(1);
  });
});

describe('judge()', () => {
  const difference = { path: 'var/log/x', field: 'mode', ours: '1', theirs: '2' };

  it('accepts what an allowance names, by path or by pattern', () => {
    const by = (path: string) => judge([difference], [{ path, field: 'mode', reason: 'r' }]).unexplained;
    expect([by('var/log/x'), by('/^var\\/log\\//'), by('var/log')]).toEqual([[], [], [difference]]);
  });

  it('does not accept another field, and reports an allowance that nothing needs', () => {
    const allowance = { path: 'var/log/x', field: 'uid', reason: 'r' };
    expect(judge([difference], [allowance])).toEqual({ unexplained: [difference], unused: [allowance] });
  });
});

function treeOf(node: FileNode): FlatTree {
  return new Map([['file', node]]);
}
