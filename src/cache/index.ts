export { type ExportDeps, type ExportInput, exportCache } from './export-cache.ts';
export { importCache } from './import-cache.ts';
export { toInlineCache } from './inline-cache.ts';
export { exportMounts, type MountsExport } from './mounts/export-mounts.ts';
export { type BuildMounts, createMountTravel, type MountsSource } from './mounts/mount-travel.ts';
export type {
  CacheMountsLocation,
  CacheMountsTarget,
  MountFile,
  MountFiles,
  MountName,
  MountTravel,
  NewName,
  OpenMount,
  UsedMount,
} from './mounts/types.ts';
export { type OpenTarget, openCacheTarget, type PlacedTarget } from './open-target.ts';
export { createLayerStager, type LayerStager } from './stage-layers.ts';
export { sweepLayout } from './storage/local.ts';
export { openCacheStorage } from './storage/open-storage.ts';
export type { CacheLocation, CacheRecord, CacheStorage, CacheTarget, ImportedCache } from './types.ts';
