import { describe, expect, it } from 'vitest';
import { nearestWord, nearestWords } from './nearest.ts';

describe('nearestWord()', () => {
  it.each([
    ['RUNN', 'RUN'],
    ['FORM', 'FROM'],
    ['cpoy', 'COPY'],
    ['ENTRYPIONT', 'ENTRYPOINT'],
  ])('finds for %s the word %s', (word, expected) => {
    expect(nearestWord(word, ['RUN', 'FROM', 'COPY', 'ENTRYPOINT', 'ENV'])).toBe(expected);
  });
  it('finds nothing where no word is near', () => {
    expect(nearestWord('apt-get', ['RUN', 'FROM'])).toBeUndefined();
    expect(nearestWord('x'.repeat(100_000), ['RUN'])).toBeUndefined();
  });

  it('names as many as asked for, the nearest first', () => {
    const words = ['c.md', 'b.txt', 'C.txt', 'c.text', 'other'];
    expect(nearestWords('c.txt', words, { maxWords: 3 })).toEqual(['C.txt', 'b.txt', 'c.text']);
    expect(nearestWords('c.txt', words, { maxWords: 3, maxCandidates: 2 })).toEqual(['b.txt']);
  });
});
