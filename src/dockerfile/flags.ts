import { nearestWord } from '../core/index.ts';
import type { Word } from './logical-line.ts';
import { complainAt, type Statement } from './statement.ts';

/** What a flag takes: a boolean (nothing, `=true`, `=false`), one value, or a value each time it is given. */
export type FlagKind = 'boolean' | 'value' | 'values';

/** The flags that an instruction knows, by name without dashes. */
export type FlagTable = Readonly<Record<string, FlagKind>>;

type FlagValue<K extends FlagKind> = K extends 'boolean' ? boolean : K extends 'value' ? string : readonly string[];

/** The flags given. Booleans and single values are absent when not given; lists are empty. */
export type Flags<T extends FlagTable> = {
  readonly [N in keyof T as T[N] extends 'values' ? never : N]?: FlagValue<T[N]>;
} & { readonly [N in keyof T as T[N] extends 'values' ? N : never]: readonly string[] };

/**
 * Reads the flags of an instruction by its table.
 *
 * @throws BuildError `DOCKERFILE_SYNTAX` for an unknown or repeated flag, a missing value or a value that is no boolean.
 */
export function parseFlags<const T extends FlagTable>(statement: Statement, table: T): Flags<T> {
  const single: Record<string, string | boolean> = {};
  const lists: Record<string, string[]> = {};
  for (const [name, kind] of Object.entries(table)) if (kind === 'values') lists[name] = [];
  for (const word of statement.flags) {
    const { name, value } = splitFlag(word);
    const kind = Object.hasOwn(table, name) ? table[name] : undefined;
    if (kind === undefined) throw unknownFlag(statement, { word, name, table });
    if (Object.hasOwn(single, name)) throw repeatedFlag(statement, { word, name });
    if (kind === 'boolean') single[name] = parseBoolean(statement, { word, name, value });
    else if (value === undefined) throw missingValue(statement, { word, name });
    else if (kind === 'value') single[name] = value;
    else lists[name]!.push(value);
  }
  return { ...single, ...lists } as Flags<T>;
}

function splitFlag({ text }: Word): { readonly name: string; readonly value: string | undefined } {
  const equals = text.indexOf('=');
  return equals < 0
    ? { name: text.slice(2), value: undefined }
    : { name: text.slice(2, equals), value: text.slice(equals + 1) };
}

interface GivenFlag {
  readonly word: Word;
  readonly name: string;
}

function parseBoolean(statement: Statement, flag: GivenFlag & { readonly value: string | undefined }): boolean {
  const { value } = flag;
  if (value === undefined || value.toLowerCase() === 'true') return true;
  if (value.toLowerCase() === 'false') return false;
  if (value === '') throw missingValue(statement, flag);
  throw complainAt(statement, flag.word, {
    message: `--${flag.name} is on or off, not "${value}".`,
    hint: `Write --${flag.name}, --${flag.name}=true or --${flag.name}=false.`,
  });
}

function missingValue(statement: Statement, { word, name }: GivenFlag): Error {
  return complainAt(statement, word, {
    message: `--${name} needs a value.`,
    hint: `Write --${name}=<value>, without blanks around the equals sign.`,
  });
}

function repeatedFlag(statement: Statement, { word, name }: GivenFlag): Error {
  return complainAt(statement, word, { message: `--${name} is given twice.`, hint: 'Keep one of them.' });
}

function unknownFlag(statement: Statement, { word, name, table }: GivenFlag & { readonly table: FlagTable }): Error {
  const keyword = statement.keyword.text.toUpperCase();
  const known = Object.keys(table);
  const nearest = nearestWord(name, known);
  const flags =
    known.length === 0 ? `${keyword} has no flags.` : `${keyword} knows ${known.map((n) => `--${n}`).join(', ')}.`;
  return complainAt(statement, word, {
    message: `${keyword} has no flag --${name}.`,
    hint:
      nearest === undefined
        ? `${flags} For a word that begins with dashes, put -- before it.`
        : `The nearest flag is --${nearest}.`,
  });
}
