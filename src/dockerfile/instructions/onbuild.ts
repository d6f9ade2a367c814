import { parseFlags } from '../flags.ts';
import { complainAbout, complainAt, type Statement, splitStatement, toInstructionBase } from '../statement.ts';
import type { Instruction, OnbuildInstruction } from '../types.ts';

const FORBIDDEN: ReadonlySet<string> = new Set(['ONBUILD', 'FROM', 'MAINTAINER']);

/** Whether an instruction may not stand behind `ONBUILD`. */
export function isForbiddenTrigger(keyword: string): boolean {
  return FORBIDDEN.has(keyword.toUpperCase());
}

/** @param parseInner The parser of the trigger, which is checked here already: a mistake in it would only show in a child. */
export function parseOnbuild(statement: Statement, parseInner: (inner: Statement) => Instruction): OnbuildInstruction {
  parseFlags(statement, {});
  if (statement.rest.text === '') {
    throw complainAbout(statement, {
      message: 'ONBUILD holds no instruction.',
      hint: 'Write the instruction that child images shall run behind it, as in ONBUILD COPY . /app.',
    });
  }
  const inner = splitStatement(statement.line.text, statement.escape, statement.rest.start);
  if (isForbiddenTrigger(inner.keyword.text)) {
    throw complainAt(statement, inner.keyword, {
      message: `${inner.keyword.text.toUpperCase()} cannot be triggered by ONBUILD.`,
      hint: 'ONBUILD takes any instruction but ONBUILD, FROM and MAINTAINER.',
    });
  }
  parseInner({ ...statement, ...inner });
  return { ...toInstructionBase(statement, [statement.rest]), kind: 'onbuild', trigger: triggerText(statement) };
}

/** The trigger as the image config keeps it: the line, then each heredoc's body and terminator. */
function triggerText({ rest, heredocs }: Statement): string {
  return [rest.text, ...heredocs.map(({ rawBody, name }) => `${rawBody}${name}`)].join('\n');
}
