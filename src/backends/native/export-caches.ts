import type { CacheTarget } from '../../cache/index.ts';
import type { RunContext } from '../../core/index.ts';
import type { LayerRef } from '../../oci/index.ts';
import { fetchLayer } from './fetch-layer.ts';
import type { BuildDeps, SolvedBuild } from './solve-request.ts';

/** What goes into shared caches. */
export interface CacheExport {
  readonly solved: SolvedBuild;
  /** Of the images. */
  readonly layers: readonly LayerRef[];
  readonly targets: readonly CacheTarget[];
}

/** Leaves the results of the build, or those that the images consist of, to other builders. */
export async function exportCaches(
  deps: BuildDeps,
  { solved, layers, targets }: CacheExport,
  context: RunContext,
): Promise<void> {
  if (targets.length === 0) return;
  const { exportCache } = await import('../../cache/index.ts');
  const { shared, records, lowered } = solved;
  const allBases = lowered.images.flatMap((image) => image.bases);
  const bases = new Set(allBases.flatMap((base) => base.layers.map((layer) => layer.diffId)));
  const inImage = new Set(layers.map((layer) => layer.diffId));
  const least = records.filter((record) => record.layers.every((layer) => inImage.has(layer.diffId)));
  const exportDeps = {
    store: deps.store,
    client: deps.registry,
    fetchLayer: (layer: LayerRef, inner: RunContext) => fetchLayer({ ...deps, shared }, layer, inner),
  };
  for (const target of targets) {
    await exportCache(exportDeps, { target, records: target.mode === 'min' ? least : records, bases }, context);
  }
}
