import { describe, expect, it } from 'vitest';
import { familiarReference, formatReference, parseReference } from './reference.ts';

const HEX = 'a'.repeat(64);
const refused = (text: string): void =>
  expect(() => parseReference(text)).toThrow(expect.objectContaining({ code: 'REFERENCE_INVALID' }));

describe('parseReference()', () => {
  it.each([
    ['busybox', 'docker.io/library/busybox:latest'],
    ['me/app:1', 'docker.io/me/app:1'],
    ['index.docker.io/me/app', 'docker.io/me/app:latest'],
    ['localhost/app', 'localhost/app:latest'],
    ['host:5000/a/b_c/d--e', 'host:5000/a/b_c/d--e:latest'],
    ['[::1]:5000/app:x', '[::1]:5000/app:x'],
    [`app@sha256:${HEX}`, `docker.io/library/app@sha256:${HEX}`],
    [`app:1@sha256:${HEX}`, `docker.io/library/app:1@sha256:${HEX}`],
  ])('reads %s', (text, full) => {
    expect(formatReference(parseReference(text))).toBe(full);
  });
  it('writes the short form back', () => {
    for (const text of ['busybox:latest', 'me/app:1', 'ghcr.io/a/b:2']) {
      expect(familiarReference(parseReference(text))).toBe(text);
    }
  });
  it('refuses names that no repository has', () => {
    for (const text of ['', 'App', 'a//b', 'a/', '-a', 'a-', 'a...b', 'a___b', 'host:5000/', 'a b', 'a/b!'])
      refused(text);
  });
  it('takes a long name', () => {
    expect(parseReference(`host:5000/${'a/'.repeat(100)}a`).repository).toHaveLength(201);
  });
  it('refuses tags that are none', () => {
    expect(parseReference(`a:${'t'.repeat(128)}`).tag).toHaveLength(128);
    for (const tag of ['', '.a', '-a', 'a b', 'ä', 't'.repeat(129)]) refused(`app:${tag}`);
  });
  it('refuses digests that are none', () => {
    for (const digest of [
      '',
      'sha256:',
      'sha256:ab',
      `sha256:${HEX}0`,
      `sha256:${'A'.repeat(64)}`,
      `md5:${HEX}`,
      HEX,
    ]) {
      refused(`app@${digest}`);
    }
  });
});
