import type { BackendDeps } from './backend-deps.ts';
import { createBackend } from './create-backend.ts';
import type { Capable } from './needs/refuse-unsupported.ts';
import { backendsFor } from './selection/backend-rules.ts';
import { factsOfHost } from './selection/host-facts.ts';
import type { BackendKind, ImageOs } from './selection/kinds.ts';

/** The other backends that may build such images on this host, with what they can do. None is asked whether it is there. */
export async function otherBackends(
  deps: BackendDeps,
  { backend, os }: { readonly backend: BackendKind; readonly os: ImageOs },
): Promise<readonly Capable[]> {
  const kinds = backendsFor(os, factsOfHost(deps.env)).filter((kind) => kind !== backend);
  return Promise.all(
    kinds.map(async (kind) => {
      const other = await createBackend(deps, kind);
      await other.close();
      return { name: kind, capabilities: other.capabilities };
    }),
  );
}
