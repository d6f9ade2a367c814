import { describe, expect, it } from 'vitest';
import { parseGitUrl } from './git-url.ts';

const URL = 'https://host/r.git';

describe('parseGitUrl()', () => {
  it.each([
    ['https://host/r.git', { url: URL }],
    ['https://host/r.git#main', { url: URL, ref: 'main' }],
    ['https://host/r.git#main:a/b', { url: URL, ref: 'main', subdir: 'a/b' }],
    ['https://host/r.git#:a', { url: URL, subdir: 'a' }],
    ['git@host:team/r', { url: 'git@host:team/r' }],
    ['ssh://git@host/r#v1', { url: 'ssh://git@host/r', ref: 'v1' }],
    ['git://host/r', { url: 'git://host/r' }],
    ['github.com/user/r#v1', { url: 'https://github.com/user/r', ref: 'v1' }],
    ['https://host/r.git?ref=main&subdir=a', { url: URL, ref: 'main', subdir: 'a' }],
    ['https://host/r.git?subdir=a#main', { url: URL, ref: 'main', subdir: 'a' }],
    ['https://host/r.git?branch=x', { url: URL, ref: 'refs/heads/x' }],
    ['https://host/r.git?tag=v1', { url: URL, ref: 'refs/tags/v1' }],
    ['https://host/r.git?commit=abcd', { url: URL, ref: 'abcd', checksum: 'abcd' }],
    ['https://host/r.git?tag=v1&commit=abcd', { url: URL, ref: 'refs/tags/v1', checksum: 'abcd' }],
    ['https://host/r.git?ref=m&checksum=abcd', { url: URL, ref: 'm', checksum: 'abcd' }],
    ['https://host/r.git?keep-git-dir=1&submodules=false', { url: URL, keepGitDir: true, submodules: false }],
    ['https://host/r.git?keep-git-dir&submodules=0', { url: URL, keepGitDir: true, submodules: false }],
    ['https://host/r.git?mtime=commit&fetch-by-commit=true', { url: URL }],
  ])('reads %s', (text, source) => {
    expect(parseGitUrl(text)).toEqual(source);
  });

  it.each(['https://host/file', 'https://host/r.gitx', 'a/b.git', './r.git', 'C:\\r.git'])(
    'leaves %s alone',
    (text) => {
      expect(parseGitUrl(text)).toBeUndefined();
    },
  );

  it.each([
    ['https://host/r.git?brnch=x', '"brnch" is no key'],
    ['https://host/r.git?ref=a&ref=b', 'given twice'],
    ['https://host/r.git?ref=a#b', 'both by a key and behind'],
    ['https://host/r.git?subdir=a#b:c', 'both by a key and behind'],
    ['https://host/r.git?ref=a&tag=b', 'both ref and tag'],
    ['https://host/r.git?mtime=checkout', 'mtime=checkout'],
    ['https://host/r.git?submodules=maybe', 'neither true nor false'],
  ])('refuses %s', (text, why) => {
    expect(() => parseGitUrl(text)).toThrow(
      expect.objectContaining({ code: 'DOCKERFILE_INVALID', message: expect.stringContaining(why) }),
    );
  });

  it('names the nearest key, and never a password', () => {
    expect(() => parseGitUrl('https://me:secret@host/r.git?sub-dir=x')).toThrow(
      expect.objectContaining({
        hint: expect.stringContaining('subdir'),
        message: expect.not.stringContaining('secret'),
      }),
    );
  });
});
