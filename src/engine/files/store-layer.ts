import { type LayerItem, writeLayer } from '../../archive/index.ts';
import type { RunContext } from '../../core/index.ts';
import type { LayerRef } from '../../oci/index.ts';
import { ingestLayer } from '../ingest-layer.ts';
import type { EngineEnv } from '../types.ts';

/**
 * Writes a layer into the store, with its table of contents beside it, and protects both with the build's lease.
 *
 * @throws BuildError as `writeLayer` does; the store then keeps nothing.
 */
export function storeLayer(env: EngineEnv, items: Iterable<LayerItem>, { signal }: RunContext): Promise<LayerRef> {
  return ingestLayer(env, (sink) => writeLayer(items, sink, { signal, ...clampOf(env) }));
}

function clampOf(env: EngineEnv): { readonly clampMtime?: number } {
  return env.clampMtime === undefined ? {} : { clampMtime: env.clampMtime };
}
