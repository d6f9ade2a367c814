import type { RunContext } from '../../core/index.ts';
import type { BaseRequest } from '../../graph/index.ts';
import { type BaseImage, type ResolveDeps, resolveBase } from './resolve-base.ts';

/** Resolves what a Dockerfile or a named context calls an image: in the store, a registry, or an OCI layout of the host. */
export async function resolveImage(deps: ResolveDeps, base: BaseRequest, context: RunContext): Promise<BaseImage> {
  if (!base.reference.startsWith('oci-layout://')) return resolveBase(deps, base, context);
  const { resolveLayout } = await import('./resolve-layout.ts');
  return resolveLayout(deps.store, base, context);
}
