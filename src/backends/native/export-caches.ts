import type { CacheRecord } from '../../cache/index.ts';
import type { RunContext } from '../../core/index.ts';
import { blobOf, type LayerRef } from '../../oci/index.ts';
import { fetchMissing } from './fetch-layer.ts';
import { retryWithoutLost } from './lost-layers.ts';
import type { BuildDeps, SolvedBuild } from './solve-request.ts';

/** What goes into shared caches. */
export interface CacheExport {
  readonly solved: SolvedBuild;
  /** Of the images. */
  readonly layers: readonly LayerRef[];
}

/**
 * Leaves the results of the build, or those that the images consist of, to other builders. A result that only another cache
 * had, and has no more, is left out.
 */
export async function exportCaches(
  deps: BuildDeps,
  { solved, layers }: CacheExport,
  context: RunContext,
): Promise<void> {
  const { shared, targets, bases } = solved;
  if (targets.opened.length === 0) return;
  const { exportCache } = await import('../../cache/index.ts');
  const { store, bench } = deps;
  const { lost } = bench;
  const inImage = new Set(layers.map((layer) => layer.diffId));
  const fetch = (layer: LayerRef, inner: RunContext): Promise<void> =>
    fetchMissing({ ...deps, shared, onFailure: lost.add }, [layer], inner);
  await targets.staged();
  for (const { target, storage } of targets.opened) {
    await retryWithoutLost(
      { lost, bases, consequence: `the cache ${storage.name} is written without it` },
      async (attempt) => {
        const whole = await withoutLost(deps, solved.records);
        const least = whole.filter((record) => record.layers.every((layer) => inImage.has(layer.diffId)));
        const records = target.mode === 'min' ? least : whole;
        return exportCache({ store, storage, fetchLayer: fetch }, { target, records, bases }, attempt.context);
      },
      context,
    );
  }
}

async function withoutLost(
  { store, bench: { lost } }: BuildDeps,
  records: readonly CacheRecord[],
): Promise<readonly CacheRecord[]> {
  if (lost.losses.length === 0) return records;
  const isGone = async (layer: LayerRef): Promise<boolean> =>
    lost.has(layer) && !(await store.blobs.has(blobOf(layer.blob)));
  const kept = await Promise.all(
    records.map(async (record) => ((await Promise.all(record.layers.map(isGone))).some(Boolean) ? [] : [record])),
  );
  return kept.flat();
}
