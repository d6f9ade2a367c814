import { matchesTokens, mayMatchWithin, parseTokens } from './path-pattern.ts';

/** A pattern for source paths, as of `COPY`. Paths are text, separated by `/`, without slash at either end. */
export interface PathPattern {
  /** False: the pattern is a plain path; `plainPath` is that path, its escapes removed. */
  readonly hasWildcards: boolean;
  /** The path up to the last slash before the first wildcard; all of it where there is none. */
  readonly plainPath: string;
  readonly matches: (path: string) => boolean;
  /** Whether something below the directory could match: a walker need not enter it otherwise. */
  readonly mayMatchBelow: (directory: string) => boolean;
}

export interface PathPatternOptions {
  /** `**` stands for any number of directories (`COPY --parents`); else it is the same as `*`. */
  readonly deep?: boolean;
}

/**
 * Reads a pattern of Go's `path.Match`: `*` and `?` do not match `/`, `[a-c]`, `[^a-c]`, `\*` is literal; hidden names are
 * matched too.
 *
 * @throws BuildError `DOCKERFILE_INVALID` for a bad pattern.
 */
export function parsePathPattern(pattern: string, { deep = false }: PathPatternOptions = {}): PathPattern {
  const tokens = parseTokens(pattern, { deep, code: 'DOCKERFILE_INVALID' });
  const { prefix, isLiteral } = tokens;
  return {
    hasWildcards: !isLiteral,
    plainPath: isLiteral ? prefix : prefix.slice(0, Math.max(0, prefix.lastIndexOf('/'))),
    matches: (path) => matchesTokens(tokens, path),
    mayMatchBelow: (directory) => mayMatchWithin(tokens, directory === '' ? '' : `${directory}/`),
  };
}

/**
 * Whether a path matches a pattern as a whole; see `parsePathPattern`.
 *
 * @throws BuildError `DOCKERFILE_INVALID` for a bad pattern.
 */
export function matchPathPattern(pattern: string, path: string, options: PathPatternOptions = {}): boolean {
  return parsePathPattern(pattern, options).matches(path);
}
