import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RunContext } from '../../core/index.ts';
import type { Executor } from '../../engine/steps.ts';
import type { Store } from '../../store/index.ts';

type MakeTempDir = Store['makeTempDir'];

/**
 * Finds out how steps are isolated here and returns what runs them. Where nothing works, that is noted in the store:
 * `lacksIsolation` tells the next choice of a backend without trying again.
 */
export async function openExecutor(root: string, makeTempDir: MakeTempDir, context: RunContext): Promise<Executor> {
  const { createExecutor } = await import('../../engine/steps.ts');
  const executor = await createExecutor({ stateDir: join(root, 'engine'), makeTempDir }, context);
  const note = noteOf(root);
  if (executor.probe.kind === 'none') writeFileSync(note, '');
  else if (existsSync(note)) rmSync(note, { force: true });
  return executor;
}

/** Whether no way to isolate steps worked when it was last tried with this store. */
export function lacksIsolation(root: string): boolean {
  return existsSync(noteOf(root));
}

function noteOf(root: string): string {
  return join(root, 'engine', 'no-isolation');
}
