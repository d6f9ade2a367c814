import { type Entry, type FileTree, type LayerItem, squashLayers } from '../../archive/index.ts';
import { type BytePath, type RunContext, throwIfCancelled } from '../../core/index.ts';
import type { LayerRef } from '../../oci/index.ts';
import type { EngineEnv } from '../types.ts';
import type { SquashInput } from './run-squash.ts';
import { storeLayer } from './store-layer.ts';

export interface RewriteInput extends SquashInput {
  /**
   * Mount points of the step that made a layer, by the layer's index: what was made of them, or of the directories above them,
   * is no work of the step.
   */
  readonly mountPoints: (index: number) => readonly BytePath[];
}

/**
 * The lowest `keep` layers as they are, and each of those above written again with the same files: for layers that others made,
 * so that they get our form, the times that the build allows, and no traces of mounts.
 *
 * @throws BuildError as fetching layers and `squashLayers` do.
 */
export async function rewriteLayers(
  { env }: { readonly env: EngineEnv },
  { layers, keep, mountPoints }: RewriteInput,
  context: RunContext,
): Promise<readonly LayerRef[]> {
  const indexed = await env.layers.indexed(layers, context);
  const written = [...layers.slice(0, keep)];
  for (let at = keep; at < layers.length; at += 1) {
    throwIfCancelled(context.signal);
    const read = (): Iterable<LayerItem> => squashLayers(indexed.slice(0, at), indexed.slice(at, at + 1));
    const points = mountPoints(at);
    const items =
      points.length === 0
        ? read()
        : withoutTraces(read, { points, below: await env.layers.view(layers.slice(0, at), context) });
    written.push(await storeLayer(env, items, context));
  }
  return written;
}

interface Traces {
  readonly points: readonly BytePath[];
  readonly below: FileTree;
}

/** Leaves out mount points that nothing was put into, and directories above them that nothing else has touched. */
function* withoutTraces(read: () => Iterable<LayerItem>, { points, below }: Traces): Generator<LayerItem> {
  const candidates = new Set(points.flatMap((path) => [path, ...parentsOf(path)]));
  const isPoint = new Set(points);
  const isEmptyFile = ({ type, sizeBytes }: Entry): boolean => type === 'file' && sizeBytes === 0;
  const used = new Set<BytePath>();
  for (const item of read()) {
    const path = pathOf(item);
    if ('entry' in item && candidates.has(path) && (item.entry.type === 'directory' || isEmptyFile(item.entry)))
      continue;
    for (const parent of parentsOf(path)) if (candidates.has(parent)) used.add(parent);
  }
  for (const item of read()) {
    if ('entry' in item && !used.has(item.entry.path)) {
      const { entry } = item;
      if (isPoint.has(entry.path) && isEmptyFile(entry)) continue;
      if (candidates.has(entry.path) && entry.type === 'directory' && isAsBelow(entry, below)) continue;
    }
    yield item;
  }
}

function pathOf(item: LayerItem): BytePath {
  if ('entry' in item) return item.entry.path;
  return 'whiteout' in item ? item.whiteout : `${item.opaque}/`;
}

function parentsOf(path: BytePath): readonly BytePath[] {
  const parts = path.split('/');
  return parts.slice(1).map((_, index) => parts.slice(0, index + 1).join('/'));
}

/** Whether a directory is what was there, or what is made where nothing was. */
function isAsBelow({ path, mode, uid, gid }: Entry, below: FileTree): boolean {
  const before = below.stat(path) ?? { mode: 0o755, uid: 0, gid: 0 };
  return before.mode === mode && before.uid === uid && before.gid === gid;
}
