import { setMaxListeners } from 'node:events';
import { linkedAbort, type RunContext, throwIfCancelled } from '../core/index.ts';

/**
 * Runs tasks at once. The first failure cancels the others; it is thrown when all have ended, so that nothing runs on
 * behind the caller's back.
 */
export async function runAll(
  tasks: ReadonlyArray<(context: RunContext) => Promise<unknown>>,
  context: RunContext,
): Promise<void> {
  const { controller, unlink } = linkedAbort(context.signal);
  // Every task listens: no leak, however many there are.
  setMaxListeners(0, controller.signal);
  let failure: { readonly error: unknown } | undefined;
  const run = async (task: (context: RunContext) => Promise<unknown>): Promise<void> => {
    try {
      await task({ signal: controller.signal, emit: context.emit });
    } catch (error) {
      failure ??= { error };
      controller.abort(error);
    }
  };
  try {
    await Promise.all(tasks.map(run));
  } finally {
    unlink();
  }
  if (failure !== undefined) throw failure.error;
}

/** Works off items, some at once, in their order. A failure ends it as in `runAll`: nothing more is begun. */
export async function runEach<T>(
  items: Iterable<T> | AsyncIterable<T>,
  { atOnce, work }: { readonly atOnce: number; readonly work: (item: T, context: RunContext) => Promise<void> },
  context: RunContext,
): Promise<void> {
  const waiting = fromAny(items);
  const worker = async (inner: RunContext): Promise<void> => {
    for (let next = await waiting.next(); next.done !== true; next = await waiting.next()) {
      throwIfCancelled(inner.signal);
      await work(next.value, inner);
    }
  };
  await runAll(
    Array.from({ length: atOnce }, () => worker),
    context,
  );
}

async function* fromAny<T>(items: Iterable<T> | AsyncIterable<T>): AsyncGenerator<T, void, undefined> {
  yield* items;
}
