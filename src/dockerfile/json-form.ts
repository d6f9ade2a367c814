import type { Word } from './logical-line.ts';

/** What a text is when read as the JSON form of a command. `words` is a valid list of strings, in place. */
export type JsonForm =
  | { readonly kind: 'words'; readonly words: readonly Word[] }
  | { readonly kind: 'not-json' }
  | { readonly kind: 'not-strings' };

/** Reads a JSON array of strings. Text that is no JSON array is a shell form; an array of anything else is a mistake. */
export function parseJsonForm({ text, start }: Word): JsonForm {
  if (!text.startsWith('[')) return { kind: 'not-json' };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { kind: 'not-json' };
  }
  if (!Array.isArray(value) || !value.every((item) => typeof item === 'string')) return { kind: 'not-strings' };
  return { kind: 'words', words: placeStrings({ text, start }, value) };
}

/** The place of each string of a valid JSON array of strings. */
function placeStrings({ text, start }: Pick<Word, 'text' | 'start'>, strings: readonly string[]): readonly Word[] {
  let at = 0;
  return strings.map((string) => {
    const open = text.indexOf('"', at);
    let close = open + 1;
    while (text[close] !== '"') close += text[close] === '\\' ? 2 : 1;
    at = close + 1;
    return { text: string, start: start + open, end: start + at };
  });
}
