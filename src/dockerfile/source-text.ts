import type { SourceLocation, SourcePosition, SourceRange } from '../core/index.ts';

/** A file's text with the offsets at which its lines begin. */
export interface SourceText {
  readonly fileName: string;
  /** Without byte order mark. */
  readonly text: string;
  readonly lineStarts: readonly number[];
}

export function createSourceText(fileName: string, text: string): SourceText {
  const content = text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
  const lineStarts = [0];
  for (let at = content.indexOf('\n'); at >= 0; at = content.indexOf('\n', at + 1)) lineStarts.push(at + 1);
  return { fileName, text: content, lineStarts };
}

/** The line (0-based) in which an offset lies. */
export function lineAt(source: SourceText, offset: number): number {
  let low = 0;
  let high = source.lineStarts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (source.lineStarts[middle]! <= offset) low = middle;
    else high = middle - 1;
  }
  return low;
}

export function positionAt(source: SourceText, offset: number): SourcePosition {
  const line = lineAt(source, offset);
  return { line: line + 1, column: offset - source.lineStarts[line]! + 1 };
}

export function rangeBetween(source: SourceText, start: number, end: number): SourceRange {
  return { start: positionAt(source, start), end: positionAt(source, Math.max(start, end)) };
}

export function locationBetween(source: SourceText, start: number, end: number): SourceLocation {
  return { fileName: source.fileName, text: source.text, range: rangeBetween(source, start, end) };
}
