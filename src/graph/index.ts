export { platformArgs } from './arguments.ts';
export { canonicalJson, digestOfGraph, vertexIdOf } from './build-graph.ts';
export type { CacheKey } from './cache-key.ts';
export { contextNamed, type FoundContext } from './find-context.ts';
export { CONTEXT_NAME, type Lowered, localName, lower, type StageEnd } from './lower.ts';
export type { BaseLookup, BaseRequest, LowerOptions, NamedContext, ResolvedBase } from './lower-options.ts';
export * from './ops.ts';
export { baseKey, planStages, type StagePlan } from './stage-plan.ts';
export type { PlannedHistory, StageState } from './stage-state.ts';
