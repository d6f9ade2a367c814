import { type BuildBackend, type BuildResult, buildWith, type LoadedRequest, planWith } from '../../backends/index.ts';
import { BuildError, type BuildEvent, type RunContext, throwIfCancelled, toBuildError } from '../../core/index.ts';
import { toErrorMessage, type BuildRequest as WireRequest } from '../../rpc/index.ts';
import { holdTrees } from '../request/hold-trees.ts';
import { loadWireRequest, type WireRequestDeps } from '../request/load-wire-request.ts';
import type { BuildQueue } from './queue.ts';
import { createEventTranslator, type EventTranslator, type WireEvent } from './to-wire-events.ts';

/** What a build is run with. */
export interface RunBuildDeps extends WireRequestDeps {
  readonly backend: () => Promise<BuildBackend>;
  readonly queue: BuildQueue;
}

/** One build to run. */
export interface BuildJob {
  readonly id: string;
  readonly message: WireRequest;
  readonly append: (event: WireEvent) => void;
}

/**
 * Runs one build from its request to its last event, `finished` or `error`. Its id is told first, then its place in the
 * queue. Never throws.
 *
 * @returns the error, when it failed.
 */
export async function runBuild(
  deps: RunBuildDeps,
  job: BuildJob,
  signal: AbortSignal,
): Promise<BuildError | undefined> {
  const { id, append } = job;
  append({ case: 'accepted', value: { requestId: id } });
  let leave: (() => void) | undefined;
  let release: (() => void) | undefined;
  try {
    release = await holdTrees(deps.contexts, job.message, signal);
    leave = await deps.queue.enter(signal, (position) => append({ case: 'queued', value: { position } }));
    append({ case: 'finished', value: await runQueued(deps, job, signal) });
    return undefined;
  } catch (thrown) {
    const error = reasonOf(thrown, signal);
    append({ case: 'error', value: toErrorMessage(error) });
    return error;
  } finally {
    leave?.();
    release?.();
  }
}

/** A cancelled build says who cancelled it. */
function reasonOf(thrown: unknown, signal: AbortSignal): BuildError {
  const error = toBuildError(thrown);
  const { reason } = signal as { reason: unknown };
  return error.code === 'CANCELLED' && reason instanceof BuildError ? reason : error;
}

type FinishedValue = Extract<WireEvent, { case: 'finished' }>['value'];

async function runQueued(deps: RunBuildDeps, job: BuildJob, signal: AbortSignal): Promise<FinishedValue> {
  throwIfCancelled(signal);
  const early: BuildEvent[] = [];
  const reading: RunContext = { signal, emit: (event) => void early.push(event) };
  const { loaded, planOnly, warnings, release } = await loadWireRequest(deps, job.message, reading);
  try {
    const emitter = createEmitter(loaded, job);
    emitter.emit({
      kind: 'build-started',
      time: Date.now(),
      buildId: job.id,
      fileName: loaded.dockerfile.fileName,
    });
    for (const event of early) emitter.emit(event);
    for (const message of warnings) emitter.emit({ kind: 'warning', time: Date.now(), code: 'REQUEST', message });
    return await observe(emitter, { signal, emit: emitter.emit }, (context) =>
      planOnly ? plan(deps, loaded, context) : build(deps, { loaded, emitter }, context),
    );
  } finally {
    release();
  }
}

interface Emitter {
  readonly emit: (event: BuildEvent) => void;
  readonly translator: EventTranslator;
  readonly warnings: BuildResult['warnings'];
  readonly append: (event: WireEvent) => void;
}

function createEmitter({ dockerfile }: LoadedRequest, { append }: BuildJob): Emitter {
  const translator = createEventTranslator(dockerfile);
  const warnings: Array<BuildResult['warnings'][number]> = [];
  return {
    translator,
    warnings,
    append,
    emit: (event) => {
      if (event.kind === 'warning') warnings.push({ code: event.code, message: event.message });
      for (const wire of translator.translate(event)) append(wire);
    },
  };
}

/** Tells how the work ended, for displays that read only the full events. */
async function observe<T>(
  emitter: Emitter,
  context: RunContext,
  work: (context: RunContext) => Promise<T>,
): Promise<T> {
  const startedMs = Date.now();
  try {
    return await work(context);
  } catch (thrown) {
    const { code, message } = reasonOf(thrown, context.signal);
    flush(emitter);
    emitter.emit({ kind: 'build-failed', time: Date.now(), durationMs: Date.now() - startedMs, code, message });
    throw thrown;
  }
}

function flush({ translator, append }: Emitter): void {
  for (const event of translator.flush()) append(event);
}

async function plan(deps: RunBuildDeps, loaded: LoadedRequest, context: RunContext): Promise<FinishedValue> {
  const planned = await planWith(await deps.backend(), { loaded }, context);
  return { imageId: '', manifestRef: '', planJson: Buffer.from(JSON.stringify(planned)) };
}

async function build(
  deps: RunBuildDeps,
  { loaded, emitter }: { readonly loaded: LoadedRequest; readonly emitter: Emitter },
  context: RunContext,
): Promise<FinishedValue> {
  const startedMs = Date.now();
  const built = await buildWith(await deps.backend(), { loaded }, context);
  throwIfCancelled(context.signal);
  const durationMs = Date.now() - startedMs;
  const { digest, references, configDigest, mediaType } = built;
  flush(emitter);
  emitter.emit({ kind: 'build-completed', time: Date.now(), durationMs, digest, references });
  const result: BuildResult = { ...built, durationMs, warnings: emitter.warnings };
  return {
    imageId: configDigest,
    manifestRef: isIndex(mediaType) ? digest : '',
    resultJson: Buffer.from(JSON.stringify(result)),
  };
}

function isIndex(mediaType: string): boolean {
  return mediaType.endsWith('.index.v1+json') || mediaType.endsWith('.manifest.list.v2+json');
}
