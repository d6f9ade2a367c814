import { describe, expect, it } from 'vitest';
import { formatExcerpt } from './excerpt.ts';

const TEXT = ['FROM a', 'RUN b', 'COPPY c \\', '  d', 'RUN e', 'RUN f', ''].join('\n');

function location(text: string, start: readonly [number, number], end: readonly [number, number]) {
  const [startLine, startColumn] = start;
  const [endLine, endColumn] = end;
  const range = { start: { line: startLine, column: startColumn }, end: { line: endLine, column: endColumn } };
  return { fileName: 'Dockerfile', text, range };
}

describe('formatExcerpt()', () => {
  it('marks a word with the lines around it', () => {
    expect(formatExcerpt(location(TEXT, [3, 1], [3, 6]), { contextLines: 1 })).toBe(
      ['  2 | RUN b', '> 3 | COPPY c \\', '    | ^^^^^', '  4 |   d'].join('\n'),
    );
  });
  it('marks each line of a longer stretch', () => {
    expect(formatExcerpt(location(TEXT, [3, 1], [4, 4]), { contextLines: 0 })).toBe('> 3 | COPPY c \\\n> 4 |   d');
  });
  it('marks an empty range with one sign', () => {
    expect(formatExcerpt(location('', [1, 1], [1, 1]))).toBe('> 1 |\n    | ^');
  });
  it('keeps the mark under its word behind tabs and wide characters', () => {
    expect(formatExcerpt(location('\t한x', [1, 3], [1, 4]))).toBe('> 1 |     한x\n    |       ^');
  });
  it('shows control characters harmlessly and cuts long lines', () => {
    const shown = formatExcerpt(location(`a\u001b[31m${'x'.repeat(5000)}`, [1, 1], [1, 2]));
    expect(shown).toContain('\\u{1b}');
    expect(shown.length).toBeLessThan(500);
  });
  it('cuts a heredoc of many lines', () => {
    const shown = formatExcerpt(location('x\n'.repeat(100), [1, 1], [90, 1]));
    expect(shown.split('\n').length).toBeLessThan(16);
    expect(shown).toContain('78 more lines');
  });
});
