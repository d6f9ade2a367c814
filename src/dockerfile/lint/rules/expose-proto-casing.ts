import { exposedPorts } from '../exposed-ports.ts';
import type { LintRule } from '../rule.ts';

export const exposeProtoCasing: LintRule = {
  name: 'ExposeProtoCasing',
  summary: 'Protocols of EXPOSE are written in lower case.',
  origin: 'reference',
  check: (subject) =>
    exposedPorts(subject)
      .filter(({ spec }) => spec.protocol !== spec.protocol.toLowerCase())
      .map(({ word, range, instruction }) => ({
        message: `The protocol of "${word}" has capital letters.`,
        hint: `Write ${word.toLowerCase()}.`,
        range,
        instruction,
      })),
};
