import type { SourceRange } from '../../core/index.ts';
import { type PortSpec, parsePortSpec } from '../parse-ports.ts';
import type { Instruction } from '../types.ts';
import type { LintSubject } from './subject.ts';

/** A word of an `EXPOSE` with what it means. */
export interface ExposedPort {
  readonly word: string;
  readonly spec: PortSpec;
  readonly range: SourceRange;
  readonly instruction: Instruction;
}

/** All ports that are exposed; words that are no ports are left to the build. */
export function exposedPorts({ active }: LintSubject): readonly ExposedPort[] {
  return active.flatMap(({ steps }) =>
    steps.flatMap(({ instruction, words }) =>
      words
        .filter(({ field }) => field === 'port')
        .flatMap(({ texts, range }) => texts.flatMap((word) => toExposedPort({ word, range, instruction }))),
    ),
  );
}

function toExposedPort(port: Omit<ExposedPort, 'spec'>): readonly ExposedPort[] {
  try {
    return [{ ...port, spec: parsePortSpec(port.word) }];
  } catch {
    return [];
  }
}
