import type { CacheRecord, CacheTarget, LayerStager, OpenTarget } from '../../cache/index.ts';
import type { RunContext } from '../../core/index.ts';
import type { RegistryClient } from '../../registry/index.ts';
import type { Store } from '../../store/index.ts';

/** The shared caches that a build is going to write, and the image's own. */
export interface CacheTargets {
  readonly opened: readonly OpenTarget[];
  /** The image carries its cache. */
  readonly inline: boolean;
  /** Begins with the layers of a result that a step has just made. */
  readonly stage: (record: CacheRecord) => void;
  /** Waits for what was begun. */
  readonly staged: () => Promise<void>;
  /** Breaks off what is under way. */
  close(): Promise<void>;
}

const NONE: CacheTargets = {
  opened: [],
  inline: false,
  stage: () => undefined,
  staged: async () => undefined,
  close: async () => undefined,
};

/**
 * Opens the caches that are to be written, before the first step runs.
 *
 * @throws BuildError for a place that is no name of any; `CREDENTIALS_INVALID` where a sign-in is missing, unless the target
 * ignores errors.
 */
export async function openCacheTargets(
  { store, registry }: { readonly store: Store; readonly registry: () => Promise<RegistryClient> },
  targets: readonly CacheTarget[],
  context: RunContext,
): Promise<CacheTargets> {
  if (targets.length === 0) return NONE;
  const { createLayerStager, openCacheTarget } = await import('../../cache/index.ts');
  const opened = targets.flatMap((target): readonly OpenTarget[] => {
    return target.kind === 'inline' ? [] : [openCacheTarget(registry, target)];
  });
  const stager: LayerStager = createLayerStager(store, opened, context);
  return {
    opened,
    inline: targets.some(({ kind }) => kind === 'inline'),
    stage: stager.add,
    staged: stager.finish,
    close: async () => {
      await stager.stop();
      for (const { storage } of opened) await storage.close();
    },
  };
}
