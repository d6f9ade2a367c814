import { BuildError, type Digest, formatReference, parseReference, type RunContext } from '../../core/index.ts';
import type { OpResult } from '../../engine/index.ts';
import { digestOfGraph } from '../../graph/index.ts';
import { INLINE_CACHE_FIELD, type LayerRef } from '../../oci/index.ts';
import type { Outcomes } from '../../solver/index.ts';
import { annotationsAt } from '../request/annotations.ts';
import { assembleImage } from '../request/assemble-image.ts';
import { checkConsistency } from '../request/check-consistency.ts';
import { reportBuild } from '../request/report-build.ts';
import type { BuildPlan, BuildResult, LoadedRequest } from '../types.ts';
import { exportCaches } from './export-caches.ts';
import { type Attempt, retryWithoutLost } from './lost-layers.ts';
import { reportSteps } from './report-steps.ts';
import { type BuildDeps, type PreparedBuild, prepareBuild, type SolvedBuild, solveBuild } from './solve-request.ts';
import { type LayeredImage, storeImages } from './store-images.ts';

/** Builds a request, and names the image, or the index of several, in the store. */
export function buildImage(deps: BuildDeps, loaded: LoadedRequest, context: RunContext): Promise<BuildResult> {
  checkConsistency(loaded.request);
  return build(deps, loaded, context);
}

/** What `buildImage` would do. */
export function planImage(deps: BuildDeps, loaded: LoadedRequest, context: RunContext): Promise<BuildPlan> {
  checkConsistency(loaded.request);
  return plan(deps, loaded, context);
}

async function build(deps: BuildDeps, loaded: LoadedRequest, outer: RunContext): Promise<BuildResult> {
  const startedMs = Date.now();
  const { request } = loaded;
  const references = (request.tags ?? []).map((tag) => formatReference(parseReference(tag)));
  const prepared = await prepareBuild(deps, loaded, outer);
  try {
    const { context } = prepared;
    const made = await withoutLost(deps, prepared, async ({ context: inner, ran }) => {
      const solved = withRan(await solveBuild(deps, { prepared, mode: 'run' }, inner), ran);
      const images = await assembleImages(solved);
      const root = await storeImages(deps, { images, references, solved }, inner);
      return { solved, images, root };
    });
    const { solved, images, root } = made;
    await exportCaches(deps, { solved, layers: images.flatMap((each) => each.layers) }, context);
    await prepared.mounts.save(context);
    const reported = images.map(({ image }, index) => ({ image, platform: solved.lowered.images[index]!.platform }));
    const durationMs = Date.now() - startedMs;
    return reportBuild({ images: reported, root, references, steps: reportSteps(solved.outcomes), durationMs });
  } finally {
    await prepared.close();
  }
}

async function plan(deps: BuildDeps, loaded: LoadedRequest, outer: RunContext): Promise<BuildPlan> {
  const prepared = await prepareBuild(deps, loaded, outer);
  try {
    const { lowered, outcomes } = await withoutLost(deps, prepared, ({ context }) =>
      solveBuild(deps, { prepared, mode: 'plan' }, context),
    );
    const platforms = lowered.images.map(({ platform }) => platform);
    const bases = lowered.images.flatMap((image) => image.bases);
    const unique = [...new Map(bases.map((base) => [base.reference, base])).values()];
    return {
      platform: platforms[0]!,
      ...(platforms.length === 1 ? {} : { platforms }),
      steps: reportSteps(outcomes),
      bases: unique.map((base) => ({ reference: base.reference, digest: base.manifest })),
      digest: digestOfGraph(lowered.graph),
    };
  } finally {
    await prepared.close();
  }
}

function withoutLost<T>(
  { bench: { lost } }: BuildDeps,
  { bases, context }: PreparedBuild,
  attempt: (attempt: Attempt) => Promise<T>,
): Promise<T> {
  return retryWithoutLost({ lost, bases, consequence: 'its step runs' }, attempt, context);
}

/** Steps that ran in an earlier attempt have run. */
function withRan(solved: SolvedBuild, ran: Attempt['ran']): SolvedBuild {
  if (ran.size === 0) return solved;
  const outcomes = [...solved.outcomes].map(([id, outcome]) => {
    const verdict = outcome.verdict.kind === 'cached' ? ran.get(id) : undefined;
    return [id, verdict === undefined ? outcome : { ...outcome, verdict }] as const;
  });
  return { ...solved, outcomes: new Map(outcomes) };
}

async function assembleImages(solved: SolvedBuild): Promise<readonly LayeredImage[]> {
  const { lowered, outcomes, clockMs, epoch, records, targets, loaded } = solved;
  const { format = 'oci', buildArgs } = loaded.request;
  const createdMs = createdTimes(outcomes);
  // As BuildKit's frontend takes it.
  const isInline = targets.inline || buildArgs?.['BUILDKIT_INLINE_CACHE'] === '1';
  const inline = isInline ? await import('../../cache/index.ts') : undefined;
  return lowered.images.map(({ state, target, platform }) => {
    const layers = layersOf(outcomes, target);
    const annotations = annotationsAt(loaded.request, 'manifest', platform);
    const fields = inline === undefined ? {} : { [INLINE_CACHE_FIELD]: inline.toInlineCache(records, layers) };
    const times = { createdMs, clockMs, fixedClock: epoch !== undefined };
    return { layers, image: assembleImage({ state, layers, ...times, annotations, format, fields }) };
  });
}

function layersOf(outcomes: Outcomes<OpResult>, target: Digest): readonly LayerRef[] {
  const value = outcomes.get(target)?.value;
  if (value?.result.kind === 'layers') return value.result.layers;
  throw new BuildError('INTERNAL', 'The target of the build has no layers.');
}

function createdTimes(outcomes: Outcomes<OpResult>): ReadonlyMap<Digest, number> {
  return new Map([...outcomes].flatMap(([id, { value }]) => (value === undefined ? [] : [[id, value.createdMs]])));
}
