import type { BackendKind } from '../../backends/index.ts';

/** The backend that `--backend` names; undefined when it was not given. @throws BuildError `USAGE` for an unknown name. */
export async function readBackend(text: string | undefined): Promise<BackendKind | undefined> {
  if (text === undefined) return undefined;
  return (await import('../../backends/index.ts')).parseBackendKind(text);
}
