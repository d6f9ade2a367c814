export { type BuildOptions, build, check, outline, plan, targets } from './build.ts';
export { configOfChanges } from './config-of-changes.ts';
export { type PullInput, type PushInput, pull, push } from './images.ts';
export { type ContextEntry, type ListContextInput, listContext } from './list-context.ts';
export { openImageStore, removeStoreTree } from './open-image-store.ts';
export * from './types.ts';
