import { describe, expect, it } from 'vitest';
import { referrersTag } from './referrers.ts';

describe('referrersTag()', () => {
  it.each([
    [`sha256:${'a'.repeat(64)}`, `sha256-${'a'.repeat(64)}`],
    [`sha512:${'a'.repeat(128)}`, `sha512-${'a'.repeat(64)}`],
    [`multi+part:${'Some=Text'.repeat(2)}`, 'multi-part-Some-TextSome-Text'],
    [`${'long+'.repeat(10)}:x`, `${'long-'.repeat(7).slice(0, 32)}-x`],
  ])('makes a tag of %s', (digest, tag) => {
    expect(referrersTag(digest)).toBe(tag);
  });
});
