import type { FromInstruction, Instruction } from '../../types.ts';
import type { LintRule } from '../rule.ts';

export const consistentInstructionCasing: LintRule = {
  name: 'ConsistentInstructionCasing',
  summary: 'All instruction words are written in the same case.',
  origin: 'reference',
  check: ({ dockerfile }) => {
    const instructions = dockerfile.stages.flatMap(({ from, instructions: steps }) => [from, ...steps]);
    const keywords = instructions.map(keywordOf);
    const lower = keywords.filter((keyword) => keyword === keyword.toLowerCase()).length;
    const upper = keywords.filter((keyword) => keyword === keyword.toUpperCase()).length;
    const toWanted = (keyword: string): string => (lower > upper ? keyword.toLowerCase() : keyword.toUpperCase());
    return instructions
      .filter((instruction) => keywordOf(instruction) !== toWanted(keywordOf(instruction)))
      .map((instruction) => ({
        message: `"${keywordOf(instruction)}" is not written as most instructions are, in ${lower > upper ? 'lower' : 'upper'} case.`,
        hint: `Write ${toWanted(keywordOf(instruction))}.`,
        range: instruction.words[0]!.range,
        instruction,
      }));
  },
};

function keywordOf({ words }: Instruction | FromInstruction): string {
  return words[0]!.text;
}
