import type { SourceLocation } from '../../core/index.ts';
import { sanitizeLine } from '../terminal/sanitize.ts';
import type { Style } from '../terminal/style.ts';
import { textWidth } from '../terminal/text-width.ts';

/** Lines shown before and after the marked ones, and how many marked ones at most. */
const CONTEXT_LINES = 2;
const MAX_MARKED_LINES = 12;

/** The lines of a file around a location, numbered, with the marked stretch underlined. */
export function formatExcerpt(location: SourceLocation, style: Style): readonly string[] {
  const lines = location.text.split('\n');
  const { start, end } = location.range;
  // A range that ends before the first column ends, for people, on the line before.
  const lastMarked = Math.max(start.line, Math.min(end.column <= 1 ? end.line - 1 : end.line, lines.length));
  const from = Math.max(1, start.line - CONTEXT_LINES);
  const to = Math.min(lines.length, lastMarked + CONTEXT_LINES);
  const gutter = String(to).length;
  const shown: string[] = [
    `${' '.repeat(gutter + 2)}${style.dim('at')} ${sanitizeLine(location.fileName)}:${start.line}:${start.column}`,
  ];
  for (let number = from; number <= to; number++) {
    const text = (lines[number - 1] ?? '').replace(/\r$/, '');
    const isMarked = number >= start.line && number <= lastMarked;
    if (number === start.line + MAX_MARKED_LINES && lastMarked - number > CONTEXT_LINES) {
      shown.push(style.dim(`${' '.repeat(gutter + 1)}…`));
      number = lastMarked - 1;
      continue;
    }
    if (number === to && text === '' && !isMarked) continue;
    const sign = isMarked ? style.red('>') : ' ';
    shown.push(`${sign} ${style.dim(`${String(number).padStart(gutter)} |`)} ${sanitizeLine(text)}`);
    if (start.line === lastMarked && isMarked)
      shown.push(`  ${' '.repeat(gutter)} ${style.dim('|')} ${style.red(underline(text, location))}`);
  }
  return shown;
}

function underline(text: string, { range: { start, end } }: SourceLocation): string {
  const endColumn = end.line === start.line ? end.column : text.length + 1;
  const before = sanitizeLine(text.slice(0, start.column - 1));
  const marked = sanitizeLine(text.slice(start.column - 1, endColumn - 1));
  return ' '.repeat(textWidth(before)) + '^'.repeat(Math.max(1, textWidth(marked)));
}
