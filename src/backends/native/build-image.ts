import { BuildError, type Digest, formatReference, parseReference, type RunContext } from '../../core/index.ts';
import type { OpResult } from '../../engine/index.ts';
import { digestOfGraph } from '../../graph/index.ts';
import type { LayerRef } from '../../oci/index.ts';
import type { Outcomes } from '../../solver/index.ts';
import { assembleImage } from '../request/assemble-image.ts';
import { checkConsistency } from '../request/request-platforms.ts';
import type { BuildPlan, BuildResult, LoadedRequest } from '../types.ts';
import { exportCaches } from './export-caches.ts';
import { reportBuild, reportSteps } from './report-build.ts';
import { type BuildDeps, type SolvedBuild, solveRequest } from './solve-request.ts';
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

async function build(deps: BuildDeps, loaded: LoadedRequest, context: RunContext): Promise<BuildResult> {
  const startedMs = Date.now();
  const { request } = loaded;
  const references = (request.tags ?? []).map((tag) => formatReference(parseReference(tag)));
  const solved = await solveRequest(deps, { loaded, mode: 'run' }, context);
  const { outcomes, lowered } = solved;
  const images = assembleImages(solved, request);
  const root = await storeImages(deps, { images, references, solved }, context);
  const layers = images.flatMap((each) => each.layers);
  await exportCaches(deps, { solved, layers, targets: request.cacheTo ?? [] }, context);
  const reported = images.map(({ image }, index) => ({ image, platform: lowered.images[index]!.platform }));
  return reportBuild({ images: reported, root, references, outcomes, durationMs: Date.now() - startedMs });
}

async function plan(deps: BuildDeps, loaded: LoadedRequest, context: RunContext): Promise<BuildPlan> {
  const { lowered, outcomes } = await solveRequest(deps, { loaded, mode: 'plan' }, context);
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
}

function assembleImages(
  { lowered, outcomes, clockMs, fixedClock }: SolvedBuild,
  { annotations = {}, format = 'oci' }: LoadedRequest['request'],
): readonly LayeredImage[] {
  const createdMs = createdTimes(outcomes);
  return lowered.images.map(({ state, target }) => {
    const layers = layersOf(outcomes, target);
    return { layers, image: assembleImage({ state, layers, createdMs, clockMs, fixedClock, annotations, format }) };
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
