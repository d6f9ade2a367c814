import { parseFlags } from '../flags.ts';
import { complainAbout, complainAt, type Statement, toInstructionBase } from '../statement.ts';
import type { CmdInstruction, EntrypointInstruction, ShellInstruction } from '../types.ts';
import { parseCommandForm, parseJsonWords } from './command-form.ts';

export function parseCmd(statement: Statement): CmdInstruction {
  parseFlags(statement, {});
  const { form, words } = parseCommandForm(statement, statement.rest);
  return { ...toInstructionBase(statement, words), kind: 'cmd', form };
}

export function parseEntrypoint(statement: Statement): EntrypointInstruction {
  parseFlags(statement, {});
  const { form, words } = parseCommandForm(statement, statement.rest);
  return { ...toInstructionBase(statement, words), kind: 'entrypoint', form };
}

export function parseShell(statement: Statement): ShellInstruction {
  parseFlags(statement, {});
  const words = parseJsonWords(statement, statement.rest);
  const hint = 'Write SHELL ["/bin/bash", "-c"], with double quotes.';
  if (statement.rest.text === '' || words?.length === 0) {
    throw complainAbout(statement, { message: 'SHELL names no program.', hint });
  }
  if (words === undefined) {
    throw complainAt(statement, statement.rest, { message: 'SHELL takes only the JSON form.', hint });
  }
  return { ...toInstructionBase(statement, words), kind: 'shell', args: words.map(({ text }) => text) };
}
