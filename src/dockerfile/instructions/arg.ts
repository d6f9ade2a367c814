import { parseFlags } from '../flags.ts';
import { complainAbout, complainAt, type Statement, toInstructionBase } from '../statement.ts';
import type { ArgInstruction } from '../types.ts';
import { splitQuoted } from '../words.ts';

export function parseArg(statement: Statement): ArgInstruction {
  parseFlags(statement, {});
  const words = splitQuoted(statement.line.text, statement.rest, statement.escape);
  if (words.length === 0) {
    throw complainAbout(statement, {
      message: 'ARG names no argument.',
      hint: 'Write ARG <name> or ARG <name>=<default>.',
    });
  }
  const args = words.map((word) => {
    const equals = word.text.indexOf('=');
    if (equals === 0) {
      throw complainAt(statement, word, {
        message: 'An ARG has no name before the equals sign.',
        hint: 'Write ARG <name>=<default>, without blanks around the equals sign.',
      });
    }
    return equals < 0 ? { name: word.text } : { name: word.text.slice(0, equals), value: word.text.slice(equals + 1) };
  });
  return { ...toInstructionBase(statement, words), kind: 'arg', args };
}
