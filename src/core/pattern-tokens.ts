import { BuildError, type ErrorCode } from './errors.ts';

export type Token =
  | { readonly kind: 'char'; readonly char: string }
  /** One character but `/`. */
  | { readonly kind: 'any' }
  /** One character of a class, or outside it; `[^a]` takes `/` too, as in Go. */
  | { readonly kind: 'class'; readonly negated: boolean; readonly ranges: ReadonlyArray<readonly [number, number]> }
  /** Any number of characters but `/`. */
  | { readonly kind: 'star' }
  /** Nothing, or anything that ends with `/`. */
  | { readonly kind: 'deep' }
  /** Anything. */
  | { readonly kind: 'all' };

/** A pattern that is ready to be matched. */
export interface TokenPattern {
  readonly tokens: readonly Token[];
  /** Literal text at the start and end: most paths are refused by these alone. */
  readonly prefix: string;
  readonly suffix: string;
  readonly isLiteral: boolean;
}

export interface TokenOptions {
  /** The language of ignore files, where `**` crosses `/`; else that of Go's `filepath.Match`, where it is the same as `*`. */
  readonly deep: boolean;
  readonly code: Extract<ErrorCode, 'DOCKERFILE_INVALID' | 'IGNORE_FILE_SYNTAX'>;
}

/**
 * Reads a pattern: `*`, `?`, `[a-z]`, `[^a-z]`, `\` before a literal character.
 *
 * @throws BuildError with `options.code` for a class that is empty or not closed, and for a `\` at the end.
 */
export function parseTokens(pattern: string, options: TokenOptions): TokenPattern {
  const tokens: Token[] = [];
  const points = Array.from(pattern);
  for (let at = 0; at < points.length; ) {
    const point = points[at]!;
    if (point === '*' && options.deep && points[at + 1] === '*') {
      at += points[at + 2] === '/' ? 3 : 2;
      tokens.push(deepToken(points, { at, isFirst: tokens.length === 0, slash: points[at - 1] === '/' }));
    } else if (point === '*') {
      tokens.push({ kind: 'star' });
      at++;
    } else if (point === '?') {
      tokens.push({ kind: 'any' });
      at++;
    } else if (point === '[') {
      const { token, end } = parseClass(points, at, { pattern, ...options });
      tokens.push(token);
      at = end;
    } else if (point === '\\') {
      const char = points[at + 1];
      if (char === undefined) throw badPattern(pattern, 'a backslash at its end escapes nothing', options.code);
      tokens.push({ kind: 'char', char });
      at += 2;
    } else {
      tokens.push({ kind: 'char', char: point });
      at++;
    }
  }
  return withLiteralEnds(tokens);
}

/** `**` at the end takes everything; at the start, before literal text without a slash, it takes part of a name too. */
function deepToken(
  points: readonly string[],
  { at, isFirst, slash }: { readonly at: number; readonly isFirst: boolean; readonly slash: boolean },
): Token {
  if (at >= points.length) return { kind: 'all' };
  const literalRest = isFirst && !slash && !points.slice(at).some((point) => '*?[]\\'.includes(point));
  return { kind: literalRest ? 'all' : 'deep' };
}

function withLiteralEnds(tokens: readonly Token[]): TokenPattern {
  const isLiteral = tokens.every(({ kind }) => kind === 'char');
  return { tokens, prefix: literalRun(tokens), suffix: literalRun([...tokens].reverse(), true), isLiteral };
}

function literalRun(tokens: readonly Token[], reversed = false): string {
  const chars: string[] = [];
  for (const token of tokens) {
    if (token.kind !== 'char') break;
    chars.push(token.char);
  }
  return (reversed ? chars.reverse() : chars).join('');
}

interface ClassContext extends TokenOptions {
  readonly pattern: string;
}

function parseClass(points: readonly string[], start: number, context: ClassContext): { token: Token; end: number } {
  const negated = points[start + 1] === '^';
  const ranges: Array<readonly [number, number]> = [];
  let at = start + (negated ? 2 : 1);
  while (points[at] !== ']' || ranges.length === 0) {
    const low = classChar(points, at, context);
    at = low.end;
    let high = low;
    if (points[at] === '-') {
      high = classChar(points, at + 1, context);
      at = high.end;
    }
    // In `filepath.Match` such a range is merely empty; ignore files become regular expressions, where it is an error.
    if (context.deep && high.code < low.code) {
      throw badPattern(context.pattern, 'a class has a range that runs backwards', context.code);
    }
    ranges.push([low.code, high.code]);
  }
  return { token: { kind: 'class', negated, ranges }, end: at + 1 };
}

function classChar(points: readonly string[], at: number, context: ClassContext): { code: number; end: number } {
  const escaped = points[at] === '\\';
  const point = points[escaped ? at + 1 : at];
  if (point === undefined) throw badPattern(context.pattern, 'a "[" is never closed', context.code);
  if (!escaped && (point === '-' || point === ']')) {
    throw badPattern(context.pattern, `"${point}" stands where a class needs a character`, context.code);
  }
  return { code: point.codePointAt(0)!, end: at + (escaped ? 2 : 1) };
}

function badPattern(pattern: string, why: string, code: TokenOptions['code']): BuildError {
  return new BuildError(code, `The pattern "${pattern}" cannot be used: ${why}.`, {
    hint: 'Write [[] for a literal "[", and \\\\ for a literal backslash.',
  });
}
