export { resolveDataDir } from './data-dir.ts';
export { type Lock, tryLock } from './lock.ts';
export { openStore } from './open-store.ts';
export { type Owner, readOwner } from './owner.ts';
export { type BeyondStore, readThrough } from './read-through.ts';
export * from './types.ts';
