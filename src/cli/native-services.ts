import { BuildError } from '../core/index.ts';
import type { Services } from './services.ts';

/** The services of this process: every part of the house is loaded when it is first used. */
export function createServices(_env: Readonly<Record<string, string | undefined>>): Services {
  const missing = async (): Promise<never> => {
    throw new BuildError('UNSUPPORTED', 'This command is not connected to the builder yet.');
  };
  return {
    build: missing,
    plan: missing,
    pull: missing,
    push: missing,
    openStore: missing,
    save: missing,
    load: missing,
    importRootfs: missing,
    login: missing,
    logout: missing,
  };
}
