import type { BackendDeps } from './backend-deps.ts';
import { createNativeBackend } from './native/native-backend.ts';
import type { BackendKind } from './selection/kinds.ts';
import type { BuildBackend } from './types.ts';

/** Makes a backend of a kind. Only the code of that kind is loaded, and nothing is spawned or dialled. */
export async function createBackend(deps: BackendDeps, kind: BackendKind): Promise<BuildBackend> {
  switch (kind) {
    case 'native':
      return createNativeBackend(deps);
    case 'buildah-cli':
      return (await import('./buildah-cli/buildah-backend.ts')).createBuildahBackend(deps);
    case 'buildah-sidecar':
      return (await import('./buildah-sidecar/sidecar-backend.ts')).createSidecarBackend(deps);
    case 'sandbox':
      return (await import('./sandbox/sandbox-backend.ts')).createSandboxBackend();
    case 'hcs':
      return (await import('./hcs/hcs-backend.ts')).createHcsBackend();
  }
}
