import { textWidth } from '../terminal/text-width.ts';

/** Rows below their headings, columns three spaces apart, as docker prints lists. No line ends with spaces. */
export function formatTable(headings: readonly string[], rows: ReadonlyArray<readonly string[]>): string {
  const widths = headings.map((heading, column) =>
    Math.max(textWidth(heading), ...rows.map((row) => shownWidth(row[column] ?? ''))),
  );
  const lines = [headings, ...rows].map((row) =>
    row
      .map((cell, column) => cell + ' '.repeat(widths[column]! - shownWidth(cell)))
      .join('   ')
      .trimEnd(),
  );
  return `${lines.join('\n')}\n`;
}

const STYLES = /\x1b\[[0-9;]*m/g;

/** Columns of a cell, which may be coloured. */
function shownWidth(cell: string): number {
  return textWidth(cell.replace(STYLES, ''));
}

/** A value as the JSON document of `--format json`. */
export function formatJson(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
