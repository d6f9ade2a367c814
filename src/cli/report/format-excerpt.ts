import type { SourceLocation } from '../../core/index.ts';
import { formatExcerpt as formatPlainExcerpt } from '../../dockerfile/index.ts';
import { sanitizeLine } from '../terminal/sanitize.ts';
import type { Style } from '../terminal/style.ts';

/** The lines of a file around a location under its name, the marked part in colour. */
export function formatExcerpt(location: SourceLocation, style: Style): readonly string[] {
  const { fileName, range } = location;
  const rows = formatPlainExcerpt(location).split('\n');
  const place = `${sanitizeLine(fileName)}:${range.start.line}:${range.start.column}`;
  return [`${style.dim('at')} ${place}`, ...rows.map((row) => paint(row, style))];
}

function paint(row: string, style: Style): string {
  const [, sign = '', gutter = '', text = ''] = /^(.)([ \d]* \|)(.*)$/s.exec(row) ?? [];
  if (gutter === '') return row;
  return (
    style.red(sign.trim()) +
    (sign === ' ' ? ' ' : '') +
    style.dim(gutter) +
    (/^ *\^+$/.test(text) ? style.red(text) : text)
  );
}
