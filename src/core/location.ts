/** A place in a text. Lines and columns count from 1; a column counts UTF-16 code units. */
export interface SourcePosition {
  readonly line: number;
  readonly column: number;
}

/** A stretch of a text. `end` is the position after the last character. */
export interface SourceRange {
  readonly start: SourcePosition;
  readonly end: SourcePosition;
}

/** A range with the file it lies in. `text` is the file's whole text, so that an excerpt can be shown. */
export interface SourceLocation {
  readonly fileName: string;
  readonly text: string;
  readonly range: SourceRange;
}
