import { describe, expect, it } from 'vitest';
import { parseFileMode } from './file-mode.ts';

describe('parseFileMode()', () => {
  it.each([
    ['755', 0o4600, false, 0o755],
    ['0755', 0o600, true, 0o755],
    ['7777', 0, false, 0o7777],
    ['u=rwX,go=rX', 0o600, false, 0o644],
    ['u=rwX,go=rX', 0o600, true, 0o755],
    ['u=rwX,go=rX', 0o100, false, 0o755],
    ['+x', 0o644, false, 0o755],
    ['a-w', 0o666, false, 0o444],
    ['g=u-w', 0o740, false, 0o750],
    ['o=', 0o777, false, 0o770],
    ['go=u', 0o700, false, 0o777],
    ['u+s,g+s', 0o755, false, 0o6755],
    ['+t', 0o777, true, 0o1777],
    ['=r', 0o4777, false, 0o444],
    ['u=rw', 0o4755, false, 0o655],
    ['o+s', 0o755, false, 0o755],
    ['u-x+w', 0o555, false, 0o655],
  ])('changes by %s the mode %o (directory: %s) to %o', (text, mode, isDirectory, expected) => {
    expect(parseFileMode(text).apply(mode, isDirectory).toString(8)).toBe(expected.toString(8));
  });
  it.each(['', 'abc', '888', '77777', 'u', '+755', 'u=rwz', 'u+r,', 'a b', '0o755'])('refuses %j', (text) => {
    expect(() => parseFileMode(text)).toThrow(expect.objectContaining({ code: 'DOCKERFILE_INVALID' }));
  });
});
