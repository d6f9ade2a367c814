import type { SourceLocation } from '../core/index.ts';

export interface ExcerptOptions {
  /** Lines shown before and after the marked ones; default 2. */
  readonly contextLines?: number;
}

const MAX_MARKED_LINES = 12;
const MAX_WIDTH = 200;

/**
 * Shows a place of a file: its lines with numbers, the marked ones with `>`, and a line of `^` under the marked part where
 * it lies within one line. Ends without newline. Control characters are shown as `\u{…}`, long lines are cut.
 */
export function formatExcerpt({ text, range }: SourceLocation, { contextLines = 2 }: ExcerptOptions = {}): string {
  const lines = text.split(/\r?\n/);
  const last = Math.min(Math.max(range.end.line, range.start.line), lines.length);
  const shownLast = Math.min(last, range.start.line + MAX_MARKED_LINES - 1);
  const from = Math.max(1, range.start.line - contextLines);
  const to = Math.min(lines.length, shownLast === last ? last + contextLines : shownLast);
  const width = String(to).length;
  const rows: string[] = [];
  for (let number = from; number <= to; number++) {
    const line = lines[number - 1]!;
    const marked = number >= range.start.line && number <= last;
    const isFinalEmpty = number === lines.length && line === '' && !marked;
    if (isFinalEmpty) break;
    rows.push(`${marked ? '>' : ' '} ${String(number).padStart(width)} | ${printable(line)}`.trimEnd());
    if (marked && range.start.line === range.end.line) rows.push(markRow({ line, width, range }));
  }
  if (shownLast < last) rows.push(`  ${' '.repeat(width)} | … (${last - shownLast} more lines)`);
  return rows.filter((row) => row !== '').join('\n');
}

interface Marked {
  readonly line: string;
  readonly width: number;
  readonly range: SourceLocation['range'];
}

/** Empty where the mark would lie in the part of the line that is cut. */
function markRow({ line, width, range }: Marked): string {
  const before = printable(line.slice(0, range.start.column - 1));
  const part = printable(line.slice(range.start.column - 1, range.end.column - 1));
  if (columnsOf(before) >= MAX_WIDTH) return '';
  const mark = '^'.repeat(Math.max(1, Math.min(columnsOf(part), MAX_WIDTH - columnsOf(before))));
  return `  ${' '.repeat(width)} | ${' '.repeat(columnsOf(before))}${mark}`;
}

function printable(line: string): string {
  const cut = line.length > MAX_WIDTH ? `${line.slice(0, MAX_WIDTH)}…` : line;
  return cut
    .replaceAll('\t', '    ')
    .replace(
      /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
      (char) => `\\u{${char.codePointAt(0)!.toString(16)}}`,
    );
}

/** Wide characters (East Asian, emoji) take two columns in a terminal, combining marks none. */
function columnsOf(text: string): number {
  let columns = 0;
  for (const char of text) {
    if (/\p{M}/u.test(char)) continue;
    columns +=
      /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u.test(
        char,
      )
        ? 2
        : 1;
  }
  return columns;
}
