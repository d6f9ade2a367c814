import { parseTokens, type Token, type TokenOptions, type TokenPattern } from './pattern-tokens.ts';

/** A pattern for paths: text with `/` between components, without slash at either end. */
export interface PathPattern {
  /** The one text that matches, escapes removed, where the pattern has no wildcard. */
  readonly literal?: string;
  /** Whether the whole path matches. */
  readonly matches: (path: string) => boolean;
  /** Whether something below the directory could match: a walk need not enter it otherwise. */
  readonly mayMatchBelow: (directory: string) => boolean;
}

/** Default: the language of `COPY`. */
export type PathPatternOptions = Partial<TokenOptions>;

/** Whether a path pattern holds a wildcard: `*`, `?` or `[`, not escaped by `\`. */
export function hasWildcard(pattern: string): boolean {
  return /[*?[]/.test(pattern.replace(/\\./gsu, ''));
}

/** The pattern that matches exactly this text. */
export function escapePattern(text: string): string {
  return text.replace(/[*?[\\]/g, '\\$&');
}

/**
 * Compiles a pattern in the syntax of Go's `path/filepath.Match`: `*` and `?` stop at `/`, classes `[a-z]` and `[^a]`, `\`
 * quotes; with `deep`, `**` stands for any number of components, as in ignore files. Characters are code points; hidden
 * names are matched too. A path is run through the pattern as through a non-deterministic automaton: the time is bounded by
 * path length times pattern length, whatever the pattern.
 *
 * @throws BuildError `DOCKERFILE_INVALID`, or `code`, for a malformed class, or a `\` at the end.
 */
export function compilePathPattern(
  pattern: string,
  { deep = false, code = 'DOCKERFILE_INVALID' }: PathPatternOptions = {},
): PathPattern {
  const compiled = parseTokens(pattern, { deep, code });
  return {
    ...(compiled.isLiteral ? { literal: compiled.prefix } : {}),
    matches: (path) => matchesTokens(compiled, path),
    mayMatchBelow: (directory) => run(compiled.tokens, directory === '' ? '' : `${directory}/`).includes(1),
  };
}

function matchesTokens(pattern: TokenPattern, path: string): boolean {
  const { tokens, prefix, suffix } = pattern;
  if (path.length < prefix.length || !path.startsWith(prefix) || !path.endsWith(suffix)) return false;
  if (pattern.isLiteral) return path === prefix;
  return run(tokens, path)[tokens.length] === 1;
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
