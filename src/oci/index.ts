export * from './select-manifest.ts';
export * from './types.ts';
