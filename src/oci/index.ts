export * from './select-manifest.ts';
export * from './types.ts';
export { blobOf, isIndexType, parseConfig, parseIndex, parseManifest } from './documents.ts';
