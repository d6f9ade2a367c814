/** A Markdown table as the formatter of this repository wants it: columns padded to one width. Cells must not hold bare bars. */
export function markdownTable(headings: readonly string[], rows: ReadonlyArray<readonly string[]>): readonly string[] {
  const widths = headings.map((heading, column) =>
    Math.max(3, heading.length, ...rows.map((row) => row[column]!.length)),
  );
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |`;
  return [line(headings), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)];
}

/** A bar would end a cell of a table. */
export function escapeCell(text: string): string {
  return text.replaceAll('|', '\\|');
}
