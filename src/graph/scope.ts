import { type SourceLocation, type SourceRange, withLocation } from '../core/index.ts';
import { type Dockerfile, expandWord, expandWords, type InstructionBase } from '../dockerfile/index.ts';

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

/** Expands the words of one instruction; errors carry the place of the word in the Dockerfile. */
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
  instruction: InstructionBase,
  lookup: (name: string) => string | undefined,
): Expander {
  const options = { lookup, escape: source.directives.escape };
  const located = <T>(text: string, expand: () => T): T => {
    try {
      return expand();
    } catch (error) {
      throw withLocation(error, locationOf(source, rangeOfText(instruction, text)));
    }
  };
  return {
    word: (text) => located(text, () => expandWord(text, options).text),
    words: (text) => located(text, () => expandWords(text, options).words),
  };
}

/** The word of an instruction that a text is, or is part of (the value of a flag or of `NAME=value`). */
function rangeOfText({ words, range }: InstructionBase, text: string): SourceRange {
  const [, ...parts] = words;
  const found =
    parts.find((word) => word.text === text) ??
    parts.find((word) => word.text.endsWith(`=${text}`)) ??
    parts.find((word) => word.text.includes(text));
  return found?.range ?? range;
}

export function locationOf(source: SourceText, range: SourceRange): SourceLocation {
  return { fileName: source.fileName, text: source.text, range };
}
