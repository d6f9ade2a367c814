import { parseReference, type RunContext } from '../../core/index.ts';
import { blobOf, type LayerRef } from '../../oci/index.ts';
import type { Store } from '../../store/index.ts';
import type { BuildRequest } from '../types.ts';
import { fetchMissing } from './fetch-layer.ts';
import type { BuildDeps, SolvedBuild } from './solve-request.ts';

interface BringInput {
  /** Of all images, each once. */
  readonly layers: readonly LayerRef[];
  /** Full names of the image. */
  readonly references: readonly string[];
  readonly solved: SolvedBuild;
}

/**
 * Brings the layers into the store that something which was asked for reads there. A push reads those alone that the registry
 * lacks: where the others lie is noted for it. Tells whether all are here.
 *
 * @throws BuildError as `fetchLayer`.
 */
export async function bringLayers(deps: BuildDeps, input: BringInput, context: RunContext): Promise<boolean> {
  const { solved, references } = input;
  const { request } = solved.loaded;
  const missing = await missingOf(deps.store, input.layers);
  if (missing.length === 0) return true;
  if (readsLayers(request)) {
    await fetch(deps, { solved, layers: missing }, context);
    return true;
  }
  if (!isPushed(request)) return false;
  const known = await Promise.all(missing.map((layer) => noteOrigin(deps, { layer, references }, context)));
  const nowhere = missing.filter((_, at) => !known[at]);
  await fetch(deps, { solved, layers: nowhere }, context);
  return nowhere.length === missing.length;
}

/** Whether anything that is asked for reads layers in the store. A push asks the registry first; `cacheonly` reads nothing. */
export function readsLayers({ outputs = [], push = false }: BuildRequest): boolean {
  if (outputs.length === 0) return !push;
  return outputs.some((output) => output.kind !== 'cacheonly' && !(output.kind === 'image' && output.push === true));
}

/** Whether the image is to have names here: of a build for its cache alone, nothing stays. */
export function leavesImage({ outputs = [], push = false }: BuildRequest): boolean {
  return push || outputs.length === 0 || outputs.some(({ kind }) => kind !== 'cacheonly');
}

function isPushed({ outputs = [], push = false }: BuildRequest): boolean {
  return push || outputs.some((output) => output.kind === 'image' && output.push === true);
}

async function missingOf({ blobs }: Store, layers: readonly LayerRef[]): Promise<readonly LayerRef[]> {
  const here = await Promise.all(layers.map((layer) => blobs.has(blobOf(layer.blob))));
  return layers.filter((_, at) => !here[at]);
}

/** A layer that cannot be had is lost: its step runs. */
async function fetch(
  deps: BuildDeps,
  { solved, layers }: Pick<BringInput, 'solved' | 'layers'>,
  context: RunContext,
): Promise<void> {
  const { shared } = solved;
  const onFailure = (layer: LayerRef, error: unknown): void => deps.bench.lost.add(layer, error);
  await fetchMissing({ ...deps, shared, onFailure }, layers, context);
}

/** Keeps in mind which registry has a layer; where a cache has it that is none, the places that are pushed to may. */
async function noteOrigin(
  { store, registry }: BuildDeps,
  { layer, references }: { readonly layer: LayerRef; readonly references: readonly string[] },
  context: RunContext,
): Promise<boolean> {
  const { addOrigin } = await import('../../outputs/index.ts');
  const blob = blobOf(layer.blob);
  if (layer.origin !== undefined) {
    await addOrigin(store, blob, parseReference(layer.origin));
    return true;
  }
  const client = await registry();
  for (const reference of references.map(parseReference)) {
    // One that cannot be asked is told by the push.
    if (!(await client.hasBlob(reference, blob, context).catch(() => false))) return false;
  }
  for (const reference of references.map(parseReference)) await addOrigin(store, blob, reference);
  return references.length > 0;
}
