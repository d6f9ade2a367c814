import { type SourceLocation, type SourceRange, withLocation } from '../core/index.ts';
import { type Dockerfile, expandWord, expandWords } from '../dockerfile/index.ts';

/** Variables in declaration order: what `$NAME` means at one point of a stage, and what RUN gets. */
export type Variables = ReadonlyMap<string, string>;

/** Sets a variable; one that is there keeps its place. */
export function withVariable(variables: Variables, name: string, value: string): Variables {
  return new Map(variables).set(name, value);
}

/** `NAME=value` texts of an image config as variables. */
export function variablesOf(env: readonly string[] | undefined): Variables {
  return new Map(
    (env ?? []).map((text) => {
      const equals = text.indexOf('=');
      return equals < 0 ? ([text, ''] as const) : ([text.slice(0, equals), text.slice(equals + 1)] as const);
    }),
  );
}

/** Variables as `NAME=value` texts. */
export function envOf(variables: Variables): readonly string[] {
  return [...variables].map(([name, value]) => `${name}=${value}`);
}

/** Expands the words of one instruction; errors carry its place in the Dockerfile. */
export interface Expander {
  /** One word in, one word out. */
  word(text: string): string;
  /** One word in, split on blanks that come from variables (EXPOSE). */
  words(text: string): readonly string[];
}

/** The text that an instruction stands in: a Dockerfile, or an ONBUILD trigger. */
export type SourceText = Pick<Dockerfile, 'fileName' | 'text' | 'directives'>;

export function createExpander(
  source: SourceText,
  range: SourceRange,
  lookup: (name: string) => string | undefined,
): Expander {
  const options = { lookup, escape: source.directives.escape };
  const located = <T>(expand: () => T): T => {
    try {
      return expand();
    } catch (error) {
      throw withLocation(error, locationOf(source, range));
    }
  };
  return {
    word: (text) => located(() => expandWord(text, options).text),
    words: (text) => located(() => expandWords(text, options).words),
  };
}

export function locationOf(source: SourceText, range: SourceRange): SourceLocation {
  return { fileName: source.fileName, text: source.text, range };
}
