import { squashLayers } from '../../archive/index.ts';
import { type RunContext, throwIfCancelled } from '../../core/index.ts';
import type { LayerRef } from '../../oci/index.ts';
import type { EngineEnv } from '../types.ts';
import type { SquashInput } from './run-squash.ts';
import { storeLayer } from './store-layer.ts';

/**
 * The lowest `keep` layers as they are, and each of those above written again with the same files: for layers that others made,
 * so that they get our form and the times that the build allows.
 *
 * @throws BuildError as fetching layers and `squashLayers` do.
 */
export async function rewriteLayers(
  { env }: { readonly env: EngineEnv },
  { layers, keep }: SquashInput,
  context: RunContext,
): Promise<readonly LayerRef[]> {
  const indexed = await env.layers.indexed(layers, context);
  const written = [...layers.slice(0, keep)];
  for (let at = keep; at < layers.length; at += 1) {
    throwIfCancelled(context.signal);
    written.push(await storeLayer(env, squashLayers(indexed.slice(0, at), indexed.slice(at, at + 1)), context));
  }
  return written;
}
