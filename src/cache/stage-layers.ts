import { type Digest, linkedAbort, type RunContext } from '../core/index.ts';
import type { LayerRef } from '../oci/index.ts';
import { readThrough, type Store } from '../store/index.ts';
import { CACHE_CONFIG_TYPE } from './cache-document.ts';
import { toCacheImage } from './cache-image.ts';
import { compressionOf } from './compression-of.ts';
import type { OpenTarget } from './open-target.ts';
import type { CacheRecord } from './types.ts';

/** Compresses and uploads layers while later steps still run. */
export interface LayerStager {
  /** Takes the layers of a result on, those that only another cache has aside. */
  add(record: CacheRecord): void;
  /** Waits for the layers that were taken on. */
  finish(): Promise<void>;
  /** Breaks off what is under way. Nothing that was staged can be seen. */
  stop(): Promise<void>;
}

/**
 * Begins to work for targets with `mode=max`, whose layers are known as soon as a step has ended. A failure is no matter here:
 * the write at the end does whatever is left, and tells.
 */
export function createLayerStager(store: Store, targets: readonly OpenTarget[], context: RunContext): LayerStager {
  const { controller, unlink } = linkedAbort(context.signal);
  const inner: RunContext = { ...context, signal: controller.signal };
  const eager = targets.filter(({ target }) => target.mode === 'max');
  const seen = new Set<Digest>();
  // One after the other: the steps need the processors more.
  let work = Promise.resolve();
  const take = async (layer: LayerRef): Promise<void> => {
    for (const each of eager) {
      if (!controller.signal.aborted) await stage(store, { ...each, layer }, inner).catch(() => undefined);
    }
  };
  return {
    add: ({ layers }) => {
      for (const layer of eager.length === 0 ? [] : layers) {
        if (layer.origin !== undefined || seen.has(layer.diffId)) continue;
        seen.add(layer.diffId);
        work = work.then(() => take(layer));
      }
    },
    finish: () => work,
    stop: async () => {
      controller.abort();
      await work;
      unlink();
    },
  };
}

async function stage(
  store: Store,
  { target, storage, layer }: OpenTarget & { readonly layer: LayerRef },
  context: RunContext,
): Promise<void> {
  const configBytes = Buffer.from('{}');
  const image = toCacheImage({ configType: CACHE_CONFIG_TYPE, configBytes, layers: [layer.blob] });
  const provide = (): never => {
    throw new Error('The layer is not here.');
  };
  const through = readThrough(store, { documents: image.documents, provide });
  await storage.stage({ store: through, descriptor: image.descriptor, ...compressionOf(target) }, context);
}
