import type { RunContext } from '../../src/core/index.ts';
import type { Subject } from './subject.ts';
import type { Surroundings } from './surroundings.ts';

/** What a case of the contract works with. */
export interface Contract {
  readonly subject: Subject;
  readonly around: Surroundings;
  /** A base image that every backend can pull. */
  readonly base: string;
  /** A word that no other case uses, so that no step is cached by chance. */
  readonly nonce: string;
  /** Another backend of the same kind, with empty stores. Closed after the case. */
  another(): Promise<Subject>;
}

/** For what nobody watches or cancels. */
export const QUIET: RunContext = { signal: new AbortController().signal, emit: () => undefined };
