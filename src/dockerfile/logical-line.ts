import type { SourceText } from './source-text.ts';

/** One instruction's line with its continuations joined, and the way back to the file. */
export interface LogicalLine {
  readonly text: string;
  /** Ascending. The stretch of `text` from `at` on comes from `offset` of the file. */
  readonly pieces: ReadonlyArray<{ readonly at: number; readonly offset: number }>;
}

/** A stretch of a logical line. `text` is its meaning, which may differ from what is written there (quotes, escapes). */
export interface Word {
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

/** Builds a logical line from stretches of the file, in linear time. */
export function joinPieces(
  source: SourceText,
  stretches: ReadonlyArray<{ readonly start: number; readonly end: number }>,
): LogicalLine {
  let at = 0;
  const texts: string[] = [];
  const pieces = stretches.map(({ start, end }) => {
    const piece = { at, offset: start };
    texts.push(source.text.slice(start, end));
    at += end - start;
    return piece;
  });
  return { text: texts.join(''), pieces };
}

/** The file offset of a position in a logical line. */
export function offsetOf(line: LogicalLine, index: number): number {
  let low = 0;
  let high = line.pieces.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (line.pieces[middle]!.at <= index) low = middle;
    else high = middle - 1;
  }
  const piece = line.pieces[low]!;
  return piece.offset + (index - piece.at);
}

/** The file offsets of a word: it ends behind its last character, not at the start of the next line. */
export function offsetsOf(line: LogicalLine, word: Word): { readonly start: number; readonly end: number } {
  const start = offsetOf(line, word.start);
  return { start, end: word.end > word.start ? offsetOf(line, word.end - 1) + 1 : start };
}
