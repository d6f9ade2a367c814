export { loadBake } from './load-bake.ts';
export { type Override, parseOverride } from './override-target.ts';
export { type BakeSelection, printSelection, selectTargets, targetsNeededBy } from './select-targets.ts';
export type { BakeFile, BakeGroup, BakeOutside, BakeProject, BakeTarget, BakeVariable } from './types.ts';
