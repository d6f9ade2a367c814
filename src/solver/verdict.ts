import type { CacheChange, CacheVerdict } from '../core/index.ts';
import type { CacheKey, Vertex } from '../graph/index.ts';
import type { ResultCache } from './types.ts';

const NAMED = 3;

/** Why a step has to run: what changed since its last run, where that is known. */
export async function explainMiss<R>(
  cache: ResultCache<R>,
  vertex: Vertex,
  keys: readonly CacheKey[],
): Promise<CacheVerdict> {
  if (vertex.info.ignoreCache) return { kind: 'run', reason: 'caching is switched off for this step' };
  const inputs = keys.at(-1)?.inputs ?? {};
  const changes = await cache.explain(vertex.info.slot, inputs);
  if (changes === undefined) return { kind: 'run', reason: 'not built here before' };
  if (changes.length === 0) return { kind: 'run', reason: 'its earlier result is no longer in the store' };
  return { kind: 'run', reason: `changed: ${nameChanges(changes)}`, changes };
}

/** A changed file says more than the digest of the directory that holds it, which changed with it. */
function nameChanges(changes: readonly CacheChange[]): string {
  const inputs = changes.map((change) => change.input);
  const telling = inputs.some((input) => input.startsWith('file '))
    ? inputs.filter((input) => !input.startsWith('content '))
    : inputs;
  const names = telling.slice(0, NAMED);
  const rest = telling.length - names.length;
  return rest > 0 ? `${names.join(', ')} and ${rest} more` : names.join(', ');
}

/** The inputs that differ between two runs of a step, in the order of the new one, those that are gone last. */
export function changesBetween(before: CacheKey['inputs'], after: CacheKey['inputs']): readonly CacheChange[] {
  const changed = Object.entries(after).flatMap(([input, to]) => {
    const from = before[input];
    return from === to ? [] : [{ input, to, ...(from === undefined ? {} : { from }) }];
  });
  const gone = Object.entries(before).flatMap(([input, from]) => (input in after ? [] : [{ input, from }]));
  return [...changed, ...gone];
}
