import { randomUUID } from 'node:crypto';
import { type RunContext, toBuildError } from '../core/index.ts';
import type { BuildRequest, BuildResult } from './types.ts';

/**
 * Tells of a build's beginning and end around the work of it, and gives the result the warnings and the time of the whole.
 *
 * @throws BuildError what the work throws, as one.
 */
export async function observeBuild(
  request: Pick<BuildRequest, 'dockerfile'>,
  outer: RunContext,
  work: (context: RunContext) => Promise<BuildResult>,
): Promise<BuildResult> {
  const startedMs = Date.now();
  const warnings: Array<{ code: string; message: string }> = [];
  const emit: RunContext['emit'] = (event) => {
    if (event.kind === 'warning') warnings.push({ code: event.code, message: event.message });
    outer.emit(event);
  };
  emit({ kind: 'build-started', time: startedMs, buildId: randomUUID(), fileName: nameOf(request) });
  try {
    const result = await work({ ...outer, emit });
    const durationMs = Date.now() - startedMs;
    const { digest, references } = result;
    emit({ kind: 'build-completed', time: Date.now(), durationMs, digest, references });
    return { ...result, durationMs, warnings };
  } catch (thrown) {
    const error = toBuildError(thrown);
    const { code, message } = error;
    emit({ kind: 'build-failed', time: Date.now(), durationMs: Date.now() - startedMs, code, message });
    throw error;
  }
}

function nameOf({ dockerfile }: Pick<BuildRequest, 'dockerfile'>): string {
  return dockerfile?.kind === 'path' ? dockerfile.path : 'Dockerfile';
}
