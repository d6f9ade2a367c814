import { availableParallelism } from 'node:os';
import {
  BuildError,
  type BuildEvent,
  type Digest,
  digestOf,
  formatPlatform,
  isBuildError,
  type RunContext,
  throwIfCancelled,
  toBuildError,
} from '../core/index.ts';
import { buildWith, checkPush, requireAble } from './build-with.ts';
import { defaultParallelism } from './default-parallelism.ts';
import { observeBuild } from './observe-build.ts';
import { checkConsistency } from './request/check-consistency.ts';
import { loadRequest } from './request/load-request.ts';
import { platformsOf } from './request/request-platforms.ts';
import { runTargets, type TargetVerdict } from './run-targets.ts';
import type { BackendKind } from './selection/kinds.ts';
import type { BuildRequest, BuildResult, LoadedRequest } from './types.ts';
import { type UsedBackend, withBackend } from './with-backend.ts';

/** One image of several: what `build` takes, but for what is the same for all. */
export type BakeTargetRequest = Omit<BuildRequest, 'backend' | 'dataDir' | 'parallelism'>;

/** Several images that are built as one piece of work. */
export interface BakeRequest {
  /** By name. `target:NAME` in a target's `buildContexts` is the image of another target, which is built before it. */
  readonly targets: Readonly<Record<string, BakeTargetRequest>>;
  /** After a failure build the targets that do not need the failed one; by default everything else is ended. */
  readonly keepGoing?: boolean;
  /** Steps run at once, over all targets; default as of `BuildRequest`. */
  readonly parallelism?: number;
  /** Who builds all of them; default as of `BuildRequest`. */
  readonly backend?: BackendKind;
  readonly dataDir?: string;
}

/** What became of a target. */
export type TargetOutcome = TargetVerdict<BuildResult>;

/** What became of a bake. */
export interface BakeResult {
  /** In the order of the request. */
  readonly targets: Readonly<Record<string, TargetOutcome>>;
  /** The first failure in that order; undefined when every target is built. */
  readonly failure: BuildError | undefined;
  readonly durationMs: number;
}

/** An event of one target's build. */
export type BakeEvent = BuildEvent & { readonly target: string };

/** How a bake is cancelled and observed. Aborting ends every process that it started. */
export interface BakeOptions {
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: BakeEvent) => void;
}

/**
 * Builds several images as one piece of work: independent ones at once under one limit, steps that several need run once, bases
 * resolved once, and so the same for all. Resolves when everything has come to rest; that a target failed is told in the result.
 *
 * @throws BuildError for what is wrong with the request as a whole, before anything is built: `USAGE`, `BAKE_INVALID`, `BACKEND_UNAVAILABLE`,
 * `STORE_*`; `CANCELLED`.
 */
export async function bake(request: BakeRequest, options: BakeOptions = {}): Promise<BakeResult> {
  const startedMs = Date.now();
  const signal = options.signal ?? new AbortController().signal;
  const requests = Object.entries(request.targets);
  for (const [, target] of requests) {
    checkPush(target);
    checkConsistency(target);
  }
  const contextOf = (target: string, inner: AbortSignal = signal): RunContext => ({
    signal: inner,
    emit: (event) => options.onEvent?.({ ...event, target }),
  });
  const { parallelism = defaultParallelism(), backend, dataDir, keepGoing = false } = request;
  const use = { backend, dataDir, platform: requests[0]?.[1].platform, together: { parallelism } };
  let verdicts: ReadonlyMap<string, TargetOutcome> = new Map();
  // What is told of the whole goes with the first target.
  const whole = contextOf(requests[0]?.[0] ?? '');
  await withBackend(use, whole, async (used) => {
    const atOnce = used.backend.name === 'native' ? parallelism : Math.min(parallelism, availableParallelism());
    verdicts = await bakeWith(used, { requests, atOnce, keepGoing }, { signal, contextOf });
    const wanting = failures(verdicts).find((error) => isBuildError(error, 'HOST_LACKS'));
    // Tells who chooses backends, who may know another one.
    if (wanting !== undefined) throw wanting;
  }).catch((error: unknown) => {
    if (!failures(verdicts).some((failure) => failure === error)) throw error;
  });
  throwIfCancelled(signal);
  return { targets: Object.fromEntries(verdicts), failure: failures(verdicts)[0], durationMs: Date.now() - startedMs };
}

function failures(verdicts: ReadonlyMap<string, TargetOutcome>): readonly BuildError[] {
  return [...verdicts.values()].flatMap((verdict) => (verdict.kind === 'failed' ? [verdict.error] : []));
}

interface BakeInput {
  readonly requests: ReadonlyArray<readonly [string, BakeTargetRequest]>;
  readonly atOnce: number;
  readonly keepGoing: boolean;
}

interface BakeContext {
  readonly signal: AbortSignal;
  readonly contextOf: (target: string, signal?: AbortSignal) => RunContext;
}

async function bakeWith(
  used: UsedBackend,
  { requests, atOnce, keepGoing }: BakeInput,
  { signal, contextOf }: BakeContext,
): Promise<ReadonlyMap<string, TargetOutcome>> {
  const { backend, others } = used;
  const limits = { atOnce, keepGoing, signal };
  const needs = new Map(requests.map(([name, target]) => [name, targetsNeededBy(target)]));
  const needed = new Set([...needs.values()].flat());
  const targets = new Map(requests.map(([name, target]) => [name, needed.has(name) ? withImage(target) : target]));
  checkPlatforms(targets, needs);
  // Everything is read and checked before the first step of any target runs.
  const loaded = await runTargets<LoadedRequest>({
    ...limits,
    needs: new Map(requests.map(([name]) => [name, []])),
    run: (name, _, inner) => loadTarget(used, targets.get(name)!, contextOf(name, inner)),
  });
  if (!keepGoing && failures(loaded as ReadonlyMap<string, TargetVerdict<never>>).length > 0) {
    return new Map([...loaded].map(([name, verdict]) => [name, notBegun(verdict)]));
  }
  return runTargets<BuildResult>({
    ...limits,
    needs,
    run: async (name, built, inner) => {
      const verdict = loaded.get(name)!;
      if (verdict.kind === 'failed') throw verdict.error;
      if (verdict.kind !== 'built') throw new BuildError('CANCELLED', 'The operation was cancelled.');
      const own = withTargets(verdict.result, (needed) => built.get(needed)!.digest);
      const context = namingTargets(contextOf(name, inner), built);
      return observeBuild(own.request, context, (observed) => buildWith(backend, { loaded: own, others }, observed));
    },
  });
}

async function loadTarget(
  { backend, store, others }: UsedBackend,
  target: BakeTargetRequest,
  context: RunContext,
): Promise<LoadedRequest> {
  const startedMs = Date.now();
  try {
    const loaded = await loadRequest(store, target, context);
    const checked = withTargets(loaded, () => NO_IMAGE);
    await requireAble(backend, { loaded: checked, others, purpose: 'build' }, context);
    return loaded;
  } catch (thrown) {
    const { code, message } = toBuildError(thrown);
    context.emit({ kind: 'build-failed', time: Date.now(), durationMs: Date.now() - startedMs, code, message });
    throw thrown;
  }
}

function notBegun(verdict: TargetVerdict<LoadedRequest>): TargetOutcome {
  return verdict.kind === 'failed' ? verdict : { kind: 'cancelled' };
}

const TARGET = 'target:';

/** The targets that a target takes files or its base from. */
function targetsNeededBy({ buildContexts = {} }: BakeTargetRequest): readonly string[] {
  const values = Object.values(buildContexts).filter((value) => value.startsWith(TARGET));
  return [...new Set(values.map((value) => value.slice(TARGET.length)))];
}

/** Steps that take another target's image are told of by its name. */
function namingTargets(context: RunContext, built: ReadonlyMap<string, BuildResult>): RunContext {
  const rename = (text: string): string =>
    [...built].reduce((named, [target, { digest }]) => named.replace(referenceOf(digest), `target:${target}`), text);
  const emit: RunContext['emit'] = (event) =>
    context.emit(
      event.kind === 'build-planned'
        ? { ...event, vertices: event.vertices.map((vertex) => ({ ...vertex, name: rename(vertex.name) })) }
        : event,
    );
  return { ...context, emit };
}

/** @throws BuildError `BAKE_INVALID` where a target's base is not made for all of its platforms. */
function checkPlatforms(
  targets: ReadonlyMap<string, BakeTargetRequest>,
  needs: ReadonlyMap<string, readonly string[]>,
): void {
  const platformTexts = (target: BakeTargetRequest): readonly string[] => platformsOf(target).map(formatPlatform);
  for (const [name, needed] of needs) {
    for (const each of needed) {
      const base = targets.get(each);
      if (base === undefined) continue;
      const made = platformTexts(base);
      const missing = platformTexts(targets.get(name)!).find((platform) => !made.includes(platform));
      if (missing === undefined) continue;
      throw new BuildError(
        'BAKE_INVALID',
        `The target "${name}" is for ${missing}, and needs "${each}", which is not.`,
        {
          hint: `Give both the same platforms; "${each}" has ${made.join(', ')}.`,
        },
      );
    }
  }
}

/** What others need has to be an image here, whatever else it is asked to be: one that is only pushed may stay elsewhere. */
function withImage(target: BakeTargetRequest): BakeTargetRequest {
  const { outputs = [], push = false } = target;
  const isKept = outputs.some((output) => output.kind === 'image' && output.push !== true);
  if (isKept || (outputs.length === 0 && !push)) return target;
  return { ...target, outputs: [...outputs, { kind: 'image' }] };
}

/** Stands for the image of a target that is not built yet, where a request is only checked. */
const NO_IMAGE = digestOf('');

function referenceOf(digest: Digest): string {
  return `localhost/bake@${digest}`;
}

/** The images of other targets by their digests: they need not have a name. */
function withTargets(loaded: LoadedRequest, digestOfTarget: (name: string) => Digest): LoadedRequest {
  const { buildContexts } = loaded.request;
  if (buildContexts === undefined) return loaded;
  const resolved = Object.entries(buildContexts).map(([name, value]) => {
    if (!value.startsWith(TARGET)) return [name, value] as const;
    return [name, `docker-image://${referenceOf(digestOfTarget(value.slice(TARGET.length)))}`] as const;
  });
  return { ...loaded, request: { ...loaded.request, buildContexts: Object.fromEntries(resolved) } };
}
