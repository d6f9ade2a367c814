import type { RunContext } from '../../core/index.ts';
import type { BaseRequest } from '../../graph/index.ts';
import { type BaseImage, type ResolveDeps, resolveBase } from './resolve-base.ts';
import { resolveLayout } from './resolve-layout.ts';

/** Resolves what a Dockerfile or a named context calls an image: in the store, a registry, or an OCI layout of the host. */
export function resolveImage(deps: ResolveDeps, base: BaseRequest, context: RunContext): Promise<BaseImage> {
  if (base.reference.startsWith('oci-layout://')) return resolveLayout(deps.store, base, context);
  return resolveBase(deps, base, context);
}
