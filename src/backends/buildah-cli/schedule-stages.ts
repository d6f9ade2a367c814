import type { RunContext } from '../../core/index.ts';
import type { VertexId } from '../../graph/index.ts';
import type { StagePlan } from './plan-stages.ts';

/**
 * Runs every stage once those that it needs are there, independent ones side by side, no more than `limit` at once. When one
 * fails, the others are cancelled and waited for, and its error is thrown.
 */
export async function scheduleStages(
  run: (plan: StagePlan, context: RunContext) => Promise<void>,
  { plans, limit }: { readonly plans: readonly StagePlan[]; readonly limit: number },
  outer: RunContext,
): Promise<void> {
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  outer.signal.addEventListener('abort', abort, { once: true });
  if (outer.signal.aborted) abort();
  const context: RunContext = { emit: outer.emit, signal: controller.signal };
  const slots = createSlots(limit);
  const running = new Map<VertexId, Promise<void>>();
  let failure: { readonly error: unknown } | undefined;
  for (const plan of plans) {
    const begin = async (): Promise<void> => {
      await Promise.all([...plan.needs].map((need) => running.get(need)));
      await slots(async () => {
        if (failure === undefined) await run(plan, context);
      });
    };
    const stage = begin().catch((error: unknown) => {
      failure ??= { error };
      abort();
    });
    running.set(plan.end, stage);
  }
  try {
    await Promise.all(running.values());
  } finally {
    outer.signal.removeEventListener('abort', abort);
  }
  if (failure !== undefined) throw failure.error;
}

/** Lets so many work at once; the others wait in their order. */
function createSlots(limit: number): (work: () => Promise<void>) => Promise<void> {
  let free = limit;
  const waiting: Array<() => void> = [];
  return async (work) => {
    if (free > 0) free -= 1;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) free += 1;
      else next();
    }
  };
}
