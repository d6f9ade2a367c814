export { createSharedWork, type SharedWork } from './shared-work.ts';
export { createSlots, type Slot, type Slots } from './slots.ts';
export { type SolverDeps, solve } from './solve.ts';
export type { CachedResult, OpRunner, Outcomes, ResultCache, SolveInput, SolverPool, VertexOutcome } from './types.ts';
export { changesBetween } from './verdict.ts';
