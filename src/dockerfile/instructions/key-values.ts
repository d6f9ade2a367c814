import { isBlank, skipSpace } from '../characters.ts';
import { parseFlags } from '../flags.ts';
import type { Word } from '../logical-line.ts';
import { complainAbout, complainAt, type Statement, toInstructionBase } from '../statement.ts';
import type { EnvInstruction, KeyValuePair, LabelInstruction } from '../types.ts';
import { splitQuoted } from '../words.ts';

export function parseEnv(statement: Statement): EnvInstruction {
  const { words, pairs } = parsePairs(statement);
  return { ...toInstructionBase(statement, words), kind: 'env', pairs };
}

export function parseLabel(statement: Statement): LabelInstruction {
  const { words, pairs } = parsePairs(statement);
  return { ...toInstructionBase(statement, words), kind: 'label', pairs };
}

interface Pairs {
  readonly words: readonly Word[];
  readonly pairs: readonly KeyValuePair[];
}

/** `a=b c="d e"`, or the old form `a b c`, which the first word's lack of `=` selects. */
function parsePairs(statement: Statement): Pairs {
  parseFlags(statement, {});
  const keyword = statement.keyword.text.toUpperCase();
  const words = splitQuoted(statement.line.text, statement.rest, statement.escape);
  const [first] = words;
  if (first === undefined) {
    throw complainAbout(statement, {
      message: `${keyword} names nothing.`,
      hint: `Write ${keyword} <name>=<value>, several of them if you like.`,
    });
  }
  return first.text.includes('=') ? parseNewForm(statement, words) : parseOldForm(statement);
}

function parseNewForm(statement: Statement, words: readonly Word[]): Pairs {
  const pairs = words.map((word): KeyValuePair => {
    const equals = word.text.indexOf('=');
    if (equals < 0) {
      throw complainAt(statement, word, {
        message: `"${word.text}" has no equals sign.`,
        hint: `Write ${statement.keyword.text.toUpperCase()} <name>=<value>; quote a value with blanks, as in name="two words".`,
      });
    }
    if (equals === 0) {
      throw complainAt(statement, word, {
        message: `${statement.keyword.text.toUpperCase()} has no name before the equals sign.`,
        hint: 'Write <name>=<value>, without blanks around the equals sign.',
      });
    }
    return { key: word.text.slice(0, equals), value: word.text.slice(equals + 1), legacy: false };
  });
  return { words, pairs };
}

function parseOldForm(statement: Statement): Pairs {
  const { text } = statement.line;
  const { start, end } = statement.rest;
  let keyEnd = start;
  while (keyEnd < end && !isBlank(text.charCodeAt(keyEnd))) keyEnd++;
  let valueStart = keyEnd;
  while (valueStart < end && isBlank(text.charCodeAt(valueStart))) valueStart++;
  const key = { text: text.slice(start, keyEnd), start, end: keyEnd };
  if (keyEnd === end || skipSpace(text, keyEnd, end) === end) {
    throw complainAt(statement, key, {
      message: `${statement.keyword.text.toUpperCase()} gives "${key.text}" no value.`,
      hint: `Write ${key.text}=<value>, or ${key.text}= for an empty one.`,
    });
  }
  const value = { text: text.slice(valueStart, end), start: valueStart, end };
  return { words: [key, value], pairs: [{ key: key.text, value: value.text, legacy: true }] };
}
