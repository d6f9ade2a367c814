import { BuildError, type SourcePosition, type SourceRange } from '../../core/index.ts';

/** A file of HCL as it is read. */
export interface SourceText {
  readonly fileName: string;
  readonly text: string;
}

/** An error with its place in a file. */
export function errorAt(
  { fileName, text }: SourceText,
  range: SourceRange,
  message: string,
  hint?: string,
): BuildError {
  return new BuildError('BAKE_INVALID', message, { hint, location: { fileName, text, range } });
}

const MAX_DEPTH = 200;
const IDENTIFIER = /[\p{ID_Start}_][\p{ID_Continue}-]*/uy;
const SPACE = /[ \t\r]+/y;
const SPACE_OR_LINES = /[ \t\r\n]+/y;
const COMMENT = /(?:#|\/\/)[^\n]*|\/\*[\s\S]*?\*\//y;

/** Reads a text from left to right. Newlines count only where the grammar says so. */
export class Reader {
  readonly source: SourceText;
  at = 0;
  /** Where reading stops: the end of the text, or of a heredoc. */
  end: number;
  #depth = 0;
  readonly #lineStarts: readonly number[];

  constructor(source: SourceText) {
    this.source = source;
    this.end = source.text.length;
    this.#lineStarts = [0, ...[...source.text.matchAll(/\n/g)].map(({ index }) => index + 1)];
  }

  get isAtEnd(): boolean {
    return this.at >= this.end;
  }

  /** Skips blanks and comments, and line ends where they mean nothing. */
  skip(lines: boolean): void {
    while (this.match(lines ? SPACE_OR_LINES : SPACE) !== undefined || this.match(COMMENT) !== undefined);
  }

  /** The text that a sticky pattern matches here, consumed; else undefined. */
  match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.source.text)?.[0].slice(0, this.end - this.at);
    if (found === undefined || found === '') return undefined;
    this.at += found.length;
    return found;
  }

  identifier(): string | undefined {
    return this.match(IDENTIFIER);
  }

  peek(text: string): boolean {
    return this.at + text.length <= this.end && this.source.text.startsWith(text, this.at);
  }

  take(text: string): boolean {
    if (!this.peek(text)) return false;
    this.at += text.length;
    return true;
  }

  expect(text: string, where: string): void {
    if (!this.take(text)) throw this.unexpected(`"${text}" ${where}`);
  }

  /** Guards a rule that contains itself. @throws BuildError when a text nests deeper than anybody writes. */
  nest<T>(parse: () => T): T {
    if (this.#depth >= MAX_DEPTH) throw this.error(this.at, 'This is nested too deeply.');
    this.#depth += 1;
    try {
      return parse();
    } finally {
      this.#depth -= 1;
    }
  }

  position(offset: number = this.at): SourcePosition {
    let low = 0;
    let high = this.#lineStarts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#lineStarts[middle]! <= offset) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: offset - this.#lineStarts[low]! + 1 };
  }

  rangeFrom(start: number): SourceRange {
    return { start: this.position(start), end: this.position(Math.max(this.at, start + 1)) };
  }

  error(start: number, message: string, hint?: string): BuildError {
    return errorAt(this.source, this.rangeFrom(start), message, hint);
  }

  /** The error for what stands here instead of what the grammar wants. */
  unexpected(wanted: string): BuildError {
    const found = this.isAtEnd ? 'the file ends' : `there is ${JSON.stringify(this.#nearby())}`;
    return this.error(this.at, `Here should be ${wanted}, but ${found}.`);
  }

  #nearby(): string {
    const [word = ''] = /^(?:[\p{ID_Continue}-]+|\n|[^\s])/u.exec(this.source.text.slice(this.at, this.at + 40)) ?? [];
    return word === '\n' ? 'end of line' : word;
  }
}
