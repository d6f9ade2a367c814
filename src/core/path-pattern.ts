import { BuildError } from './errors.ts';

/** A pattern for one path: `matches` takes text with `/` between components, no leading slash. */
export interface PathPattern {
  readonly text: string;
  /** The one text that matches, escapes removed, where the pattern has no wildcard. */
  readonly literal?: string;
  readonly matches: (path: string) => boolean;
}

/** What a walk hands from a directory to its children, so that a matched parent need not be matched again. */
export interface PatternListMatch {
  readonly matched: boolean;
  /** By pattern: whether it matched this path or one of its parents. */
  readonly byPattern: readonly boolean[];
}

/** An ordered list of patterns, some of them negated by `!`; the last one that matches decides. */
export interface PatternList {
  /** Whether any pattern is negated: then something below a matched directory may be unmatched. */
  readonly hasNegation: boolean;
  /** Matches a path that was reached through `parent`; without it, every parent of the path is tried as well. */
  match(path: string, parent?: PatternListMatch): PatternListMatch;
}

/** A character of a glob as regular expression source; `undefined` at a fault. */
interface Token {
  readonly source: string;
  readonly next: number;
  readonly wild: boolean;
  readonly literal: string;
}

/** Whether a Go path pattern holds a wildcard: `*`, `?` or `[`, not escaped by `\`. */
export function hasWildcard(pattern: string): boolean {
  return /[*?[]/.test(pattern.replace(/\\./gsu, ''));
}

/**
 * Compiles a pattern in the syntax of Go's `path/filepath.Match`: `*` and `?` stop at `/`, classes `[a-z]` and `[^a]`, `\`
 * quotes. Characters are code points.
 *
 * @throws BuildError `DOCKERFILE_INVALID` for a malformed class, or a `\` at the end.
 */
export function compilePathPattern(pattern: string): PathPattern {
  const chars = [...pattern];
  let source = '';
  let literal: string | undefined = '';
  for (let at = 0; at < chars.length; ) {
    const token = readToken(chars, at);
    if (token === undefined) throw badPattern(pattern);
    source += token.source;
    literal = token.wild || literal === undefined ? undefined : literal + token.literal;
    at = token.next;
  }
  if (literal !== undefined) return { text: pattern, literal, matches: (path) => path === literal };
  const expression = new RegExp(`^${source}$`, 'su');
  return { text: pattern, matches: (path) => expression.test(path) };
}

/**
 * Compiles the pattern lists of `COPY --exclude`, `COPY --parents` and ignore files: `filepath.Match` syntax plus `**` for
 * any number of components; a pattern that matches a directory matches everything below it; `!` takes back (moby's
 * patternmatcher decides). Patterns are trimmed and cleaned lexically, a leading slash means nothing, empty ones are dropped.
 *
 * @throws BuildError `DOCKERFILE_INVALID` for a malformed pattern.
 */
export function compilePatternList(patterns: readonly string[]): PatternList {
  const compiled = patterns.flatMap((text) => {
    const trimmed = text.trim();
    const negated = trimmed.startsWith('!');
    const cleaned = cleanPattern(negated ? trimmed.slice(1) : trimmed);
    if (negated && trimmed.length === 1) throw badPattern(text);
    return cleaned === '' ? [] : [{ negated, matches: compileDeepPattern(cleaned) }];
  });
  return {
    hasNegation: compiled.some((pattern) => pattern.negated),
    match: (path, parent) => {
      let matched = false;
      const byPattern = compiled.map(({ negated, matches }, index) => {
        const known = parent?.byPattern[index] === true;
        if (!known && negated !== matched) return false;
        const hit = known || matches(path) || (parent === undefined && someParent(path, matches));
        if (hit) matched = !negated;
        return hit;
      });
      return { matched, byPattern };
    },
  };
}

function someParent(path: string, matches: (path: string) => boolean): boolean {
  for (let slash = path.indexOf('/'); slash >= 0; slash = path.indexOf('/', slash + 1)) {
    if (matches(path.slice(0, slash))) return true;
  }
  return false;
}

/** One pattern of a list, where `**` crosses `/`. */
function compileDeepPattern(pattern: string): (path: string) => boolean {
  // The reference takes a leading `**` before plain text as "ends with", a trailing one after plain text as "begins with".
  if (/^\*\*[^*?[\\]*$/.test(pattern)) {
    const suffix = pattern.slice(2);
    return (path) => path.endsWith(suffix) || (suffix.startsWith('/') && path === suffix.slice(1));
  }
  if (/^[^*?[\\]*\*\*$/.test(pattern)) {
    const prefix = pattern.slice(0, -2);
    return (path) => path.startsWith(prefix);
  }
  const chars = [...pattern];
  let source = '';
  let wild = false;
  let literal = '';
  for (let at = 0; at < chars.length; ) {
    const stars = chars[at] === '*' && chars[at + 1] === '*';
    const token = stars ? readDoubleStar(chars, at) : readToken(chars, at);
    if (token === undefined) throw badPattern(pattern);
    source += token.source;
    literal += token.literal;
    wild ||= token.wild;
    at = token.next;
  }
  if (!wild) return (path) => path === literal;
  const expression = new RegExp(`^${source}$`, 'su');
  return (path) => expression.test(path);
}

/** `**` and a slash after it: any components, or none; at the end: anything. */
function readDoubleStar(chars: readonly string[], at: number): Token {
  const next = chars[at + 2] === '/' ? at + 3 : at + 2;
  return { source: next >= chars.length ? '.*' : '(?:.*/)?', next, wild: true, literal: '' };
}

function readToken(chars: readonly string[], at: number): Token | undefined {
  const char = chars[at] as string;
  if (char === '*') return { source: '[^/]*', next: at + 1, wild: true, literal: '' };
  if (char === '?') return { source: '[^/]', next: at + 1, wild: true, literal: '' };
  if (char === '[') return readClass(chars, at + 1);
  if (char !== '\\') return { source: quote(char), next: at + 1, wild: false, literal: char };
  const quoted = chars[at + 1];
  return quoted === undefined ? undefined : { source: quote(quoted), next: at + 2, wild: false, literal: quoted };
}

function readClass(chars: readonly string[], start: number): Token | undefined {
  const negated = chars[start] === '^';
  let ranges = '';
  let at = negated ? start + 1 : start;
  for (let count = 0; chars[at] !== ']' || count === 0; count += 1) {
    const low = readClassChar(chars, at);
    if (low === undefined) return undefined;
    const high = chars[low.next] === '-' ? readClassChar(chars, low.next + 1) : low;
    if (high === undefined) return undefined;
    if (codePoint(low.char) <= codePoint(high.char)) ranges += `${quoteInClass(low.char)}-${quoteInClass(high.char)}`;
    at = high.next;
  }
  const source = ranges === '' ? (negated ? '.' : '(?!)') : `[${negated ? '^' : ''}${ranges}]`;
  return { source, next: at + 1, wild: true, literal: '' };
}

function readClassChar(chars: readonly string[], at: number): { char: string; next: number } | undefined {
  const first = chars[at];
  if (first === undefined || first === '-' || first === ']') return undefined;
  const next = first === '\\' ? at + 2 : at + 1;
  const char = chars[next - 1];
  // A class that ends right after this character is never closed.
  return char === undefined || next >= chars.length ? undefined : { char, next };
}

function codePoint(char: string): number {
  return char.codePointAt(0) as number;
}

function quote(char: string): string {
  return /[\^$\\.*+?()[\]{}|/]/.test(char) ? `\\${char}` : char;
}

function quoteInClass(char: string): string {
  return char === '-' ? '\\-' : quote(char);
}

/** Lexical cleaning as Go's `filepath.Clean` does it, anchored: the leading slash goes. */
function cleanPattern(pattern: string): string {
  const parts: string[] = [];
  for (const part of pattern.split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..' && parts.length > 0 && parts.at(-1) !== '..') parts.pop();
    else parts.push(part);
  }
  return parts.join('/');
}

function badPattern(pattern: string): BuildError {
  return new BuildError('DOCKERFILE_INVALID', `"${pattern}" is not a valid path pattern.`, {
    hint: 'A class is written [abc] or [a-z]; to match a bracket itself write [[] and to match a star write \\*.',
  });
}
