import { parseJsonForm } from '../json-form.ts';
import type { Word } from '../logical-line.ts';
import { complainAt, type Statement } from '../statement.ts';
import type { CommandForm } from '../types.ts';
import { splitAtBlanks } from '../words.ts';

export interface ParsedCommand {
  readonly form: CommandForm;
  readonly words: readonly Word[];
}

/** A command: the JSON form where the text is one, else the text for the shell. */
export function parseCommandForm(statement: Statement, rest: Word): ParsedCommand {
  const words = parseJsonWords(statement, rest);
  if (words !== undefined) return { form: { kind: 'exec', args: words.map(({ text }) => text) }, words };
  return { form: { kind: 'shell', script: rest.text }, words: rest.text === '' ? [] : [rest] };
}

/** A list: the JSON form where the text is one, else the words between blanks. */
export function parseWordList(statement: Statement, rest: Word): readonly Word[] {
  return parseJsonWords(statement, rest) ?? splitAtBlanks(statement.line.text, rest);
}

/** The strings of a JSON form; undefined when the text is none. */
export function parseJsonWords(statement: Statement, rest: Word): readonly Word[] | undefined {
  const json = parseJsonForm(rest);
  if (json.kind === 'words') return json.words;
  if (json.kind === 'not-json') return undefined;
  throw complainAt(statement, rest, {
    message: 'The JSON form may hold nothing but strings.',
    hint: 'Put every word in double quotes, numbers too: ["nice", "-n", "10"].',
  });
}
