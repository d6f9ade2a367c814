import { parseFlags } from '../flags.ts';
import { complainAbout, type Statement, toInstructionBase } from '../statement.ts';
import type { MaintainerInstruction, StopsignalInstruction, UserInstruction, WorkdirInstruction } from '../types.ts';

export function parseUser(statement: Statement): UserInstruction {
  const user = restOf(statement, 'a user, as in USER app or USER 1000:1000');
  return { ...toInstructionBase(statement, [statement.rest]), kind: 'user', user };
}

export function parseWorkdir(statement: Statement): WorkdirInstruction {
  const path = restOf(statement, 'a directory, as in WORKDIR /app');
  return { ...toInstructionBase(statement, [statement.rest]), kind: 'workdir', path };
}

export function parseStopsignal(statement: Statement): StopsignalInstruction {
  const signal = restOf(statement, 'a signal, as in STOPSIGNAL SIGTERM or STOPSIGNAL 15');
  return { ...toInstructionBase(statement, [statement.rest]), kind: 'stopsignal', signal };
}

export function parseMaintainer(statement: Statement): MaintainerInstruction {
  const name = restOf(statement, 'a name. LABEL org.opencontainers.image.authors="…" is the newer way');
  return { ...toInstructionBase(statement, [statement.rest]), kind: 'maintainer', name };
}

/** The whole rest of the line, blanks and all. */
function restOf(statement: Statement, wanted: string): string {
  parseFlags(statement, {});
  if (statement.rest.text !== '') return statement.rest.text;
  const keyword = statement.keyword.text.toUpperCase();
  throw complainAbout(statement, { message: `${keyword} needs an argument.`, hint: `Give it ${wanted}.` });
}
