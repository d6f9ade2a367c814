import { BuildError, type ErrorCode } from '../../core/index.ts';

// Patterns over slash-separated paths. A pattern becomes a short list of tokens, and a path is run through them as through
// a non-deterministic automaton: the time is bounded by path length times pattern length, whatever the pattern.

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
  /** `**` has its meaning of ignore files; else it is the same as `*`. */
  readonly deep: boolean;
  readonly code: Extract<ErrorCode, 'DOCKERFILE_INVALID' | 'IGNORE_FILE_SYNTAX'>;
}

/**
 * Reads a pattern in Go's `path.Match` notation: `*`, `?`, `[a-z]`, `[^a-z]`, `\` before a literal character.
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
    if (high.code < low.code)
      throw badPattern(context.pattern, 'a class has a range that runs backwards', context.code);
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

/** Whether the whole path matches. */
export function matchesTokens(pattern: TokenPattern, path: string): boolean {
  const { tokens, prefix, suffix } = pattern;
  if (path.length < prefix.length || !path.startsWith(prefix) || !path.endsWith(suffix)) return false;
  if (pattern.isLiteral) return path === prefix;
  return run(tokens, path)[tokens.length] === 1;
}

/** Whether some path that begins with `start` could match. */
export function mayMatchWithin(pattern: TokenPattern, start: string): boolean {
  return run(pattern.tokens, start).includes(1);
}

/** The positions among the tokens that are reachable after a text; the last one means: all tokens are used up. */
function run(tokens: readonly Token[], text: string): Uint8Array {
  let now = new Uint8Array(tokens.length + 1);
  let next = new Uint8Array(tokens.length + 1);
  // A deep token that has taken a character may only go on, or end with a slash.
  let inside = new Uint8Array(tokens.length);
  let nextInside = new Uint8Array(tokens.length);
  now[0] = 1;
  close(tokens, now);
  for (let at = 0; at < text.length; ) {
    const point = text.codePointAt(at)!;
    at += point > 0xffff ? 2 : 1;
    next.fill(0);
    nextInside.fill(0);
    for (let i = 0; i < tokens.length; i++) {
      const token = tokens[i]!;
      if (token.kind === 'deep') {
        if (now[i] === 0 && inside[i] === 0) continue;
        nextInside[i] = 1;
        if (point === 0x2f) next[i + 1] = 1;
      } else if (now[i] === 1) {
        if (token.kind === 'all' || (token.kind === 'star' && point !== 0x2f)) next[i] = 1;
        else if (consumes(token, point)) next[i + 1] = 1;
      }
    }
    close(tokens, next);
    [now, next] = [next, now];
    [inside, nextInside] = [nextInside, inside];
  }
  return merged(now, inside);
}

/** Tokens that may take nothing are passed at once. */
function close(tokens: readonly Token[], reached: Uint8Array): void {
  for (let i = 0; i < tokens.length; i++) {
    const { kind } = tokens[i]!;
    if (reached[i] === 1 && (kind === 'star' || kind === 'all' || kind === 'deep')) reached[i + 1] = 1;
  }
}

function consumes(token: Token, point: number): boolean {
  if (token.kind === 'char') return token.char.codePointAt(0) === point;
  if (token.kind === 'class') {
    return token.ranges.some(([low, high]) => low <= point && point <= high) !== token.negated;
  }
  return token.kind === 'any' && point !== 0x2f;
}

function merged(reached: Uint8Array, inside: Uint8Array): Uint8Array {
  for (let i = 0; i < inside.length; i++) if (inside[i] === 1) reached[i] = 1;
  return reached;
}
