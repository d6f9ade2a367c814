import type { CacheLocation, CacheTarget } from '../types.ts';

/** Where the content of cache mounts comes from. */
export type CacheMountsLocation = CacheLocation & {
  /** Ids of the mounts that it is for; default all. */
  readonly ids?: readonly string[];
};

/** Where the content of cache mounts goes after a build. */
export type CacheMountsTarget = CacheMountsLocation &
  Pick<CacheTarget, 'ignoreError' | 'compression' | 'compressionLevel'> & {
    /** Largest size of all mounts as they are sent: those used longest ago are left out first. */
    readonly maxSizeBytes?: number;
  };
