import type { SourceLocation, SourceRange } from '../../core/index.ts';
import type { FromInstruction, Instruction } from '../types.ts';
import type { LintSubject } from './subject.ts';

/** What a rule reports. `instruction` is the one whose inline `check=skip=…` counts. */
export interface RuleFinding {
  readonly message: string;
  readonly hint?: string | undefined;
  readonly range?: SourceRange;
  readonly related?: SourceLocation;
  readonly instruction?: Instruction | FromInstruction;
}

/** One check. The reference's rules keep its names, so that `skip=` lists work unchanged. */
export interface LintRule {
  readonly name: string;
  /** One sentence for lists. */
  readonly summary: string;
  readonly origin: 'reference' | 'own';
  /** Only runs when `check=experimental=<name>` asks for it. */
  readonly experimental?: true;
  readonly check: (subject: LintSubject) => readonly RuleFinding[];
}
