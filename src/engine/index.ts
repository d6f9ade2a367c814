export { contentDigestOf } from './files/content-digest.ts';
export { copyKeys } from './files/copy-keys.ts';
export { rewriteLayers } from './files/rewrite-layers.ts';
export { runCopy } from './files/run-copy.ts';
export { runMkdir } from './files/run-mkdir.ts';
export { runSquash } from './files/run-squash.ts';
export { createLayerAccess } from './layers.ts';
export { openLocalTree } from './sources/open-local-tree.ts';
export type { EngineEnv, LayerAccess, OpResult, SecretProvider, TreeResult } from './types.ts';
