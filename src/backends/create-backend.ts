import { BuildError } from '../core/index.ts';
import type { BackendDeps } from './backend-deps.ts';
import type { BackendKind } from './kinds.ts';
import { createNativeBackend } from './native/native-backend.ts';
import type { BuildBackend } from './types.ts';

/** Makes a backend of a kind. Only the code of that kind is loaded, and nothing is spawned or dialled. */
export async function createBackend(deps: BackendDeps, kind: BackendKind): Promise<BuildBackend> {
  switch (kind) {
    case 'native':
      return createNativeBackend(deps);
    default:
      throw new BuildError('UNSUPPORTED', `The backend ${kind} is not part of this version.`);
  }
}
