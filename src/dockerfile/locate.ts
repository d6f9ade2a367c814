import type { SourceRange } from '../core/index.ts';
import type { InstructionBase } from './types.ts';

/** The range of the n-th (0-based) use of a flag, named without dashes; the whole instruction where it is not given. */
export function rangeOfFlag(instruction: InstructionBase, name: string, nth = 0): SourceRange {
  const matching = instruction.words.filter(
    ({ role, text }) => role === 'flag' && (text === `--${name}` || text.startsWith(`--${name}=`)),
  );
  return matching[nth]?.range ?? instruction.range;
}

/** The range of the n-th (0-based) argument; negative counts from the end. The whole instruction where there is none. */
export function rangeOfArgument(instruction: InstructionBase, nth: number): SourceRange {
  return instruction.words.filter(({ role }) => role === 'argument').at(nth)?.range ?? instruction.range;
}
