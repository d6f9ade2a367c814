import { padText, textWidth } from '../terminal/text-width.ts';

/** Rows below their headings, columns three spaces apart, as docker prints lists. No line ends with spaces. */
export function formatTable(headings: readonly string[], rows: ReadonlyArray<readonly string[]>): string {
  const widths = headings.map((heading, column) =>
    Math.max(textWidth(heading), ...rows.map((row) => textWidth(row[column] ?? ''))),
  );
  const lines = [headings, ...rows].map((row) =>
    row
      .map((cell, column) => padText(cell, widths[column]!))
      .join('   ')
      .trimEnd(),
  );
  return `${lines.join('\n')}\n`;
}

/** A value as the JSON document of `--format json`. */
export function formatJson(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
