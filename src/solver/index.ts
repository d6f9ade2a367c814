export { type SolverDeps, solve } from './solve.ts';
export type { CachedResult, OpRunner, Outcomes, ResultCache, SolveInput, VertexOutcome } from './types.ts';
export { changesBetween } from './verdict.ts';
