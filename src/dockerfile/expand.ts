import { lexExpansion } from './expansion-lexer.ts';

export interface ExpandOptions {
  /** The value of a variable; undefined: not set. */
  readonly lookup: (name: string) => string | undefined;
  /** The Dockerfile's escape character (`directives.escape`). */
  readonly escape: '\\' | '`';
}

/** Names that an expansion asked for, each once. `unset` had no value. */
export interface ExpandedNames {
  readonly used: ReadonlySet<string>;
  readonly unset: ReadonlySet<string>;
}

export interface ExpandedWord extends ExpandedNames {
  readonly text: string;
}

export interface ExpandedWords extends ExpandedNames {
  readonly words: readonly string[];
}

/**
 * Expands variables and removes quotes and escapes; the result stays one word, blanks and all. Forms: `$v` `${v}`, `:-` `-`
 * `:+` `+` `:?` `?`, `#` `##` `%` `%%`, `/` `//`, nested. Behaves as BuildKit's `shell.Lex`, but for a replacement text,
 * which is literal here (there `$1` in it would be a regular expression's group).
 *
 * @throws BuildError `DOCKERFILE_EXPANSION` without location: the caller knows the instruction (`withLocation`).
 */
export function expandWord(word: string, options: ExpandOptions): ExpandedWord {
  return lexExpansion(word, { ...options, quotes: true, keepQuotes: false, keepEscapes: false, keepUnset: false });
}

/**
 * As `expandWord`, then split at blanks that were neither quoted nor escaped, those of variables included. Only `EXPOSE`
 * is split so.
 *
 * @throws BuildError `DOCKERFILE_EXPANSION`
 */
export function expandWords(text: string, options: ExpandOptions): ExpandedWords {
  return lexExpansion(text, { ...options, quotes: true, keepQuotes: false, keepEscapes: false, keepUnset: false });
}

/**
 * Expands the body of an unquoted heredoc of `COPY` or `ADD`: quotes stay, and the escape character is always the
 * backslash, whatever the `escape` directive says.
 *
 * @throws BuildError `DOCKERFILE_EXPANSION`
 */
export function expandHeredocBody(body: string, options: Pick<ExpandOptions, 'lookup'>): ExpandedWord {
  return lexExpansion(body, {
    lookup: options.lookup,
    escape: '\\',
    quotes: false,
    keepQuotes: false,
    keepEscapes: false,
    keepUnset: false,
  });
}
