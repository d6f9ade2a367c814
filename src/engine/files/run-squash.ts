import { squashLayers } from '../../archive/index.ts';
import { type RunContext, throwIfCancelled } from '../../core/index.ts';
import type { LayerRef } from '../../oci/index.ts';
import type { EngineEnv } from '../types.ts';
import { storeLayer } from './store-layer.ts';

/** Layers of which all but the lowest `keep` become one. */
export interface SquashInput {
  readonly layers: readonly LayerRef[];
  readonly keep: number;
}

/**
 * The lowest layers as they are, and one with what those above them add up to. A single one stays as it is.
 *
 * @throws BuildError as fetching layers and `squashLayers` do.
 */
export async function runSquash(
  { env }: { readonly env: EngineEnv },
  { layers, keep }: SquashInput,
  context: RunContext,
): Promise<readonly LayerRef[]> {
  throwIfCancelled(context.signal);
  if (layers.length - keep <= 1) return layers;
  const indexed = await env.layers.indexed(layers, context);
  const squashed = await storeLayer(env, squashLayers(indexed.slice(0, keep), indexed.slice(keep)), context);
  return [...layers.slice(0, keep), squashed];
}
