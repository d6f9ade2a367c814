export { resolveDataDir } from './data-dir.ts';
export { openStore } from './open-store.ts';
export * from './types.ts';
