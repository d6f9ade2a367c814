import { availableParallelism } from 'node:os';

/** Steps that mostly wait run well beyond the number of cores. */
const MIN_PARALLELISM = 4;

/** How many steps run at once where nothing is said. */
export function defaultParallelism(): number {
  return Math.max(MIN_PARALLELISM, availableParallelism());
}
