export { type ExportDeps, type ExportInput, exportCache } from './export-cache.ts';
export { importCache, openCacheStorage } from './import-cache.ts';
export type { CacheMountsLocation, CacheMountsTarget } from './mounts/types.ts';
export type { CacheLocation, CacheRecord, CacheStorage, CacheTarget, ImportedCache } from './types.ts';
