import { setMaxListeners } from 'node:events';
import { linkedAbort, type RunContext } from '../core/index.ts';

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
