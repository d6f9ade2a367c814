import { describe, expect, it } from 'vitest';
import type { Entry } from '../../archive/index.ts';
import { digestOf } from '../../core/index.ts';
import { checkNames, digestOfNames, encodePages, parsePage, type StoredName } from './listing.ts';

const PACK = digestOf('pack');
const OWNED = { mode: 0o644, uid: 1000, gid: 2000, mtime: 1_700_000_000, nanoseconds: 5, sizeBytes: 0 };

function entry(path: string, type: Entry['type'], more: Partial<Entry> = {}): StoredName {
  return { entry: { ...OWNED, path, type, ...more } };
}

function file(path: string, offset = 0): StoredName {
  const content = { sha256: `sha of ${path}`, xattrs: { 'user.a': Buffer.from('b').toString('base64') } };
  const xattrs = new Map([['user.a', Buffer.from('b')]]);
  return { ...entry(path, 'file', { sizeBytes: 7, xattrs }), content, place: { pack: PACK, offset } };
}

const ROOT = entry('', 'directory', { mode: 0o755 });

const NAMES: readonly StoredName[] = [
  ROOT,
  file('a\xff"\n\u0001', 12),
  entry('d', 'directory'),
  entry('d/empty', 'file'),
  file('d/f'),
  entry('d/hard', 'hardlink', { linkTarget: 'd/f' }),
  entry('d/soft', 'symlink', { linkTarget: '../../etc/passwd', mtime: -5 }),
];

describe('encodePages()', () => {
  it('keeps every name with its metadata, in its bytes', () => {
    const [page, ...more] = [...encodePages(NAMES)];
    expect(more).toEqual([]);
    expect(parsePage(page!)).toEqual(NAMES);
  });

  it('leaves the pages alone in which nothing changed', () => {
    const many = [ROOT, ...Array.from({ length: 8000 }, (_, at) => file(`f${String(at).padStart(6, '0')}`, at * 7))];
    const changed = many.with(5000, file('f004999', 3));
    const [before, after] = [many, changed].map((names) => [...encodePages(names)].map(digestOf));
    expect(before!.length).toBeGreaterThan(3);
    expect(after!.filter((digest) => !before!.includes(digest))).toHaveLength(1);
    const longer = [...many.slice(0, 500), file('f000498x'), ...many.slice(500)];
    expect([...encodePages(longer)].map(digestOf).filter((digest) => !before!.includes(digest))).toHaveLength(1);
  });
});

describe('digestOfNames()', () => {
  it('knows of content, not of where it lies', () => {
    const elsewhere = NAMES.map((name) =>
      name.place === undefined ? name : { ...name, place: { pack: PACK, offset: 99 } },
    );
    expect(digestOfNames(elsewhere)).toBe(digestOfNames(NAMES));
    const touched = NAMES.with(2, entry('d', 'directory', { nanoseconds: 6 }));
    expect(digestOfNames(touched)).not.toBe(digestOfNames(NAMES));
  });
});

describe('parsePage()', () => {
  it.each([
    ['nothing', ''],
    ['other JSON', '{"packs":[]}\n{"a":1}\n'],
    ['a mode that is none', '{"packs":[]}\n["a","d",99999,0,0,0,0]\n'],
    ['a type that is none', '{"packs":[]}\n["a","c",420,0,0,0,0]\n'],
    ['a pack that is not there', `{"packs":[]}\n["a","f",420,0,0,0,0,7,"sha",0,0,0]\n`],
    ['a size below 0', `{"packs":["${PACK}"]}\n["a","f",420,0,0,0,0,-7,"sha",0,0,0]\n`],
  ])('refuses %s', (_, text) => {
    expect(() => parsePage(Buffer.from(text))).toThrow(expect.objectContaining({ code: 'IMAGE_INVALID' }));
  });
});

describe('checkNames()', () => {
  it('takes names below directories of the listing, whatever symbolic links say', () => {
    expect(() => checkNames(NAMES)).not.toThrow();
  });

  it.each<[string, readonly StoredName[]]>([
    ['a name above the mount', [ROOT, file('..')]],
    ['a name that climbs', [ROOT, entry('d', 'directory'), file('d/..')]],
    ['an absolute name', [ROOT, entry('', 'directory'), file('/etc')]],
    ['a name through a link', [ROOT, entry('l', 'symlink', { linkTarget: '/etc' }), file('l/passwd')]],
    ['a name below a file', [ROOT, file('f'), file('f/g')]],
    ['a name without its directory', [ROOT, file('d/f')]],
    ['a name twice', [ROOT, entry('d', 'symlink', { linkTarget: '/' }), entry('d', 'directory')]],
    ['a hard link to what is outside', [ROOT, entry('h', 'hardlink', { linkTarget: '../../etc/shadow' })]],
    [
      'a hard link to a link',
      [ROOT, entry('a', 'symlink', { linkTarget: '/etc/shadow' }), entry('h', 'hardlink', { linkTarget: 'a' })],
    ],
    ['a NUL', [ROOT, file('a\0b')]],
    ['an empty component', [ROOT, entry('d', 'directory'), file('d/')]],
    ['a root that is no directory', [entry('', 'symlink', { linkTarget: '/' })]],
  ])('refuses %s', (_, names) => {
    expect(() => checkNames(names)).toThrow(expect.objectContaining({ code: 'ARCHIVE_UNSAFE' }));
  });
});
