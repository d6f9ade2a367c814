import { BuildError, type RunContext } from '../../core/index.ts';
import { type EngineEnv, rewriteLayers, runSquash } from '../../engine/index.ts';
import type { Vertex } from '../../graph/index.ts';
import type { LayerRef } from '../../oci/index.ts';
import type { StoredImage } from './image-memory.ts';
import type { ImageToImport } from './import-image.ts';
import { loadLayers } from './load-image.ts';
import type { Buildah } from './run-buildah.ts';

export interface FinishInput {
  readonly built: StoredImage;
  /** How many layers are those of the base image: they stay as they are. */
  readonly base: number;
  /** How many layers stay when the others become one; undefined: all. */
  readonly keep: number | undefined;
  /** Latest time of a file, in seconds. */
  readonly clampMtime: number | undefined;
  /** The steps that made the layers above those of the base, in order. */
  readonly steps: readonly Vertex[];
}

/** What buildah mounts in every step; 1.28 leaves the points in the layer, where the image has none. */
const MOUNT_POINTS = ['dev', 'etc/hostname', 'etc/hosts', 'etc/resolv.conf', 'proc', 'run', 'sys'];

/** The layers of a result, with the files of those that buildah's storage has not. */
export interface FinishedLayers {
  readonly layers: readonly LayerRef[];
  readonly blobs: ImageToImport['blobs'];
}

/** What a request asks of the layers as a whole, done by our engine: one layer for several, no file later than a time. */
export async function finishLayers(
  deps: { readonly buildah: Buildah; readonly workDir: string; readonly env: EngineEnv },
  { built, base, keep, clampMtime, steps }: FinishInput,
  context: RunContext,
): Promise<FinishedLayers> {
  const stored = layersOf(built);
  if (stored.length === base || (keep === undefined && clampMtime === undefined)) return { layers: stored, blobs: [] };
  const { env } = deps;
  const loaded = await loadLayers({ ...deps, ...env }, built.id, context);
  const clamped = clampMtime === undefined ? env : { ...env, clampMtime };
  const mountPoints = (at: number): readonly string[] => (steps[at - base]?.op.kind === 'exec' ? MOUNT_POINTS : []);
  // Without times to clamp, what is not summed up stays as others have it.
  const unchanged = clampMtime === undefined ? (keep ?? base) : base;
  const input = { layers: loaded, keep: unchanged, mountPoints };
  const written = await rewriteLayers({ env: clamped }, input, context);
  const layers = keep === undefined ? written : await runSquash({ env: clamped }, { layers: written, keep }, context);
  const own = layers.slice(unchanged);
  return {
    layers: [...stored.slice(0, unchanged), ...own],
    blobs: own.map(({ blob: { digest } }) => ({ digest, path: env.store.blobs.path(digest) })),
  };
}

function layersOf({ config, manifest }: StoredImage): readonly LayerRef[] {
  const diffIds = config.rootfs.diff_ids;
  if (diffIds.length !== manifest.layers.length) {
    throw new BuildError(
      'BACKEND_FAILED',
      `buildah made an image of ${manifest.layers.length} layers that tells of ${diffIds.length}.`,
    );
  }
  return manifest.layers.map((blob, index): LayerRef => ({ diffId: diffIds[index]!, blob }));
}
