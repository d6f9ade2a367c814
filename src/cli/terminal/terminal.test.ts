import { describe, expect, it } from 'vitest';
import { captureOutput } from '../../../test/cli/fake-context.ts';
import { sanitizeLine, sanitizeText } from './sanitize.ts';
import { styleFor } from './style.ts';
import { clipText, padText, textWidth } from './text-width.ts';
import { formatAge, formatDuration, formatSize } from './units.ts';
import { wrapText } from './wrap-text.ts';

describe('textWidth()', () => {
  it.each([
    ['abc', 3],
    ['äöü', 3],
    ['日本', 4],
    ['한국', 4],
    ['e\u0301', 1],
    ['a\u200bb', 2],
    ['✔', 1],
    ['✅🚀', 4],
    ['ｆｕ', 4],
    ['𠀀', 2],
    ['', 0],
  ])('of %s is %d', (text, width) => {
    expect(textWidth(text)).toBe(width);
  });
});

describe('clipText()', () => {
  it.each([
    ['abcdef', 6, 'abcdef'],
    ['abcdef', 5, 'abcd…'],
    ['日本語', 5, '日本…'],
    ['日本語', 4, '日…'],
    ['abc', 1, '…'],
    ['abc', 0, ''],
  ])('cuts %s to %d columns', (text, columns, clipped) => {
    expect(clipText(text, columns)).toBe(clipped);
  });
  it('is undone by padText() in width', () => {
    expect(textWidth(padText(clipText('日本語日本語', 6), 6))).toBe(6);
  });
});

describe('sanitizeLine()', () => {
  it.each([
    ['a\tb', 'a       b'],
    ['\x1b[1;31mred\x1b[0m', 'red'],
    ['\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\', 'link'],
    ['10%\r100%', '100%'],
    ['done\r', 'done'],
    ['a\x1b', 'a'],
    ['\x9b2Jx', 'x'],
    ['a\u202eb', 'ab'],
    ['tschüß 日本', 'tschüß 日本'],
  ])('shows %j as %j', (line, shown) => {
    expect(sanitizeLine(line)).toBe(shown);
  });
  it('keeps line ends of texts', () => {
    expect(sanitizeText('a\x07\nb')).toBe('a\nb');
  });
});

describe('wrapText()', () => {
  it('breaks at spaces and leaves long words whole', () => {
    expect(wrapText('one two three-is-long four', 7)).toEqual(['one two', 'three-is-long', 'four']);
  });
});

describe('units', () => {
  it.each([
    [0, '0B'],
    [999, '999B'],
    [1000, '1kB'],
    [1536, '1.54kB'],
    [999_600, '1MB'],
    [57_500_000, '57.5MB'],
    [123_456_789_012, '123GB'],
  ])('formatSize(%d) is %s', (bytes, text) => {
    expect(formatSize(bytes)).toBe(text);
  });
  it.each([
    [0, '0.0s'],
    [1234, '1.2s'],
    [59_949, '59.9s'],
    [59_990, '1m00s'],
    [125_000, '2m05s'],
    [3_720_000, '1h02m'],
  ])('formatDuration(%d) is %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });
  it.each([
    [1000, '1 second ago'],
    [90_000, '1 minute ago'],
    [7_200_000, '2 hours ago'],
    [13 * 86_400_000, '13 days ago'],
    [21 * 86_400_000, '3 weeks ago'],
    [90 * 86_400_000, '3 months ago'],
    [800 * 86_400_000, '2 years ago'],
  ])('formatAge(%d) is %s', (ms, text) => {
    expect(formatAge(ms)).toBe(text);
  });
});

describe('styleFor()', () => {
  const terminal = captureOutput({ columns: 80, rows: 24 });
  const file = captureOutput();
  it.each([
    [terminal, {}, true],
    [file, {}, false],
    [terminal, { NO_COLOR: '1' }, false],
    [terminal, { NO_COLOR: '' }, true],
    [terminal, { TERM: 'dumb' }, false],
    [file, { FORCE_COLOR: '1' }, true],
    [file, { FORCE_COLOR: '0' }, false],
    [file, { FORCE_COLOR: '1', NO_COLOR: '1' }, false],
  ])('colours where a person sees them and wants them (%#)', (output, env, coloured) => {
    expect(styleFor(output, env).red('x') !== 'x').toBe(coloured);
  });
});
