import { exposedPorts } from '../exposed-ports.ts';
import type { LintRule } from '../rule.ts';

export const exposeInvalidFormat: LintRule = {
  name: 'ExposeInvalidFormat',
  summary: 'EXPOSE names ports of the container, nothing of the host.',
  origin: 'reference',
  check: (subject) =>
    exposedPorts(subject)
      .filter(({ spec }) => spec.hasHostPart)
      .map(({ word, range, instruction }) => ({
        message: `"${word}" names an address or port of the host, which an image cannot decide.`,
        hint: `Write ${word.slice(word.lastIndexOf(':') + 1)}; the rest is given to docker run -p.`,
        range,
        instruction,
      })),
};
