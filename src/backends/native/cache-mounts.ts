import { resolve } from 'node:path';
import type { BuildMounts, CacheLocation, CacheTarget, MountTravel } from '../../cache/index.ts';
import { BuildError, formatReference, parseReference, type RunContext } from '../../core/index.ts';
import type { RegistryClient } from '../../registry/index.ts';
import type { Store } from '../../store/index.ts';
import type { BuildRequest } from '../types.ts';

/** The cache mounts of a build, where they travel. */
export interface CacheMounts {
  /** For the engine; undefined where they stay here. */
  readonly travel: MountTravel | undefined;
  /** Writes those that steps used to all targets. */
  save(context: RunContext): Promise<void>;
  close(): Promise<void>;
}

const NONE: CacheMounts = { travel: undefined, save: async () => undefined, close: async () => undefined };

/**
 * Opens the places that cache mounts come from and go to, before the first step runs. Nothing is asked for yet.
 *
 * @throws BuildError `USAGE` where steps and mounts would replace each other, for a place that is no name of any, and as `openCacheTarget`.
 */
export async function openCacheMounts(
  { store, registry }: { readonly store: Store; readonly registry: () => Promise<RegistryClient> },
  { cacheMountsFrom = [], cacheMountsTo = [], cacheTo = [] }: BuildRequest,
): Promise<CacheMounts> {
  if (cacheMountsFrom.length === 0 && cacheMountsTo.length === 0) return NONE;
  requireOwnPlace(cacheMountsTo, cacheTo);
  const { createMountTravel, exportMounts, openCacheStorage, openCacheTarget } = await import('../../cache/index.ts');
  const sources = cacheMountsFrom.map((location) => ({ location, storage: openCacheStorage(registry, location) }));
  const targets = cacheMountsTo.map((target) => openCacheTarget(registry, target));
  const travel: BuildMounts = createMountTravel(sources);
  return {
    travel,
    save: async (context) => {
      const used = travel.used();
      if (used.length === 0) return;
      const from = sources.map(({ storage }) => storage);
      for (const target of targets) await exportMounts({ store }, { ...target, used, sources: from }, context);
    },
    close: async () => {
      for (const { storage } of [...sources, ...targets]) await storage.close();
    },
  };
}

/** One manifest lies in a place: results of steps and cache mounts would replace each other with every build. */
function requireOwnPlace(mounts: readonly CacheLocation[], steps: readonly CacheTarget[]): void {
  const taken = new Set(steps.map(placeOf));
  const place = mounts.map(placeOf).find((each) => taken.has(each));
  if (place === undefined) return;
  throw new BuildError('USAGE', `--cache-to and --cache-mounts-to both write to ${place}.`, {
    hint: 'Give one of them another tag, name or scope: each has a manifest of its own.',
  });
}

function placeOf(location: CacheLocation | CacheTarget): string {
  switch (location.kind) {
    case 'registry':
      return formatReference(parseReference(location.reference));
    case 'local':
      return `${resolve(location.directory)}:${location.tag ?? 'latest'}`;
    case 's3':
      return `s3://${location.bucket}/${location.prefix ?? ''}${location.name ?? 'latest'}`;
    case 'gha':
      return `gha scope ${location.scope ?? 'zlayer'}`;
    case 'inline':
      return 'the image';
  }
}
