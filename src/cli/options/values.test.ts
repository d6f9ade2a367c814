import { describe, expect, it } from 'vitest';
import { nearestName } from './nearest-name.ts';
import { parseDuration, parseFields, parsePairs, parseSize } from './values.ts';

describe('parseSize()', () => {
  it.each([
    ['64m', 64 * 2 ** 20],
    ['1.5g', 1.5 * 2 ** 30],
    ['2GiB', 2 ** 31],
    ['512', 512],
    ['10kb', 10_240],
    ['7B', 7],
  ])('reads %s as %d bytes', (text, bytes) => {
    expect(parseSize(text, '--shm-size')).toBe(bytes);
  });
  it.each(['', 'm', '-1', '1x', '1 2', 'NaN'])('refuses "%s", naming the option', (text) => {
    expect(() => parseSize(text, '--shm-size')).toThrow('--shm-size takes a size');
  });
});

describe('parseDuration()', () => {
  it.each([
    ['90s', 90_000],
    ['1h30m', 5_400_000],
    ['7d', 604_800_000],
    ['1.5h', 5_400_000],
    ['250ms', 250],
  ])('reads %s as %d ms', (text, ms) => {
    expect(parseDuration(text, '--filter until')).toBe(ms);
  });
  it.each(['', '24', 'h', '1h 2m', '-1h'])('refuses "%s"', (text) => {
    expect(() => parseDuration(text, '--filter until')).toThrow('takes a duration');
  });
});

describe('parseFields()', () => {
  it('reads quoted fields with commas and doubled quotes', () => {
    expect(parseFields('type=local,"dest=a,b""c",tar', '-o')).toEqual([
      { key: 'type', value: 'local' },
      { key: 'dest', value: 'a,b"c' },
      { key: 'tar', value: undefined },
    ]);
  });
  it('keeps empty fields and values with "="', () => {
    expect(parseFields('a=,b=c=d', '-o')).toEqual([
      { key: 'a', value: '' },
      { key: 'b', value: 'c=d' },
    ]);
  });
  it('refuses quotes that do not match', () => {
    expect(() => parseFields('type=local,"dest=a', '-o')).toThrow('quotes');
  });
});

describe('parsePairs()', () => {
  it('lets the last of a name win and gives a name alone an empty value', () => {
    expect(parsePairs(['a=1', 'b', 'a=2=3'], '--label')).toEqual({ a: '2=3', b: '' });
  });
  it('keeps a name that objects have by themselves', () => {
    expect(Object.entries(parsePairs(['__proto__=x'], '--label'))).toEqual([['__proto__', 'x']]);
  });
  it('refuses an empty name', () => {
    expect(() => parsePairs(['=x'], '--label')).toThrow('--label takes name=value');
  });
});

describe('nearestName()', () => {
  it.each([
    ['biuld', 'build'],
    ['pus', 'push'],
    ['hist', 'history'],
    ['zzz', undefined],
    ['b', undefined],
  ])('for %s gives %s', (word, expected) => {
    expect(nearestName(word, ['build', 'push', 'history', 'images'])).toBe(expected);
  });
});
