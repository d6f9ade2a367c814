import { BuildError, type Digest, digestOf } from '../../core/index.ts';
import type { PlannedHistory, StageState } from '../../graph/index.ts';
import {
  CACHE_FIELDS,
  type Descriptor,
  encodeConfig,
  encodeManifest,
  type HistoryEntry,
  type ImageConfig,
  type LayerRef,
  type Manifest,
  MEDIA_TYPES,
  toDockerManifest,
  toOciManifest,
} from '../../oci/index.ts';

export interface AssembleInput {
  readonly state: StageState;
  readonly layers: readonly LayerRef[];
  /** When each vertex ran, in milliseconds since the epoch: entries from the cache keep their time. */
  readonly createdMs: ReadonlyMap<Digest, number>;
  /** Time of entries before the first layer of the build, and of everything when SOURCE_DATE_EPOCH is given. */
  readonly clockMs: number;
  readonly fixedClock: boolean;
  readonly annotations: Readonly<Record<string, string>>;
  /** Family of the documents' types; default OCI's. Docker's has no annotations. */
  readonly format?: 'oci' | 'docker';
  /** More fields for the config, such as an inline cache. */
  readonly fields?: Readonly<Record<string, unknown>>;
}

/** An image's documents, ready to be stored. */
export interface AssembledImage {
  readonly config: ImageConfig;
  readonly configBytes: Buffer;
  readonly manifest: Manifest;
  readonly manifestBytes: Buffer;
  readonly descriptor: Descriptor;
}

/**
 * Puts an image together from a stage's end state and its layers. The same input gives the same bytes.
 *
 * @throws BuildError `UNSUPPORTED` for a layer of the base that the format has no type for.
 */
export function assembleImage(input: AssembleInput): AssembledImage {
  const config = configOf(input);
  const configBytes = encodeConfig(config);
  const convert = input.format === 'docker' ? toDockerManifest : toOciManifest;
  const manifest = convert({
    schemaVersion: 2,
    config: { mediaType: MEDIA_TYPES.ociConfig, digest: digestOf(configBytes), size: configBytes.length },
    layers: input.layers.map((layer) => withoutAnnotations(layer.blob)),
    ...(Object.keys(input.annotations).length === 0 ? {} : { annotations: input.annotations }),
  });
  const manifestBytes = encodeManifest(manifest);
  const descriptor = {
    mediaType: input.format === 'docker' ? MEDIA_TYPES.dockerManifest : MEDIA_TYPES.ociManifest,
    digest: digestOf(manifestBytes),
    size: manifestBytes.length,
  };
  return { config, configBytes, manifest, manifestBytes, descriptor };
}

function configOf(input: AssembleInput): ImageConfig {
  const { state } = input;
  const { platform } = state;
  const history = datedHistory(input);
  const { author: _author, created: _created, variant: _variant, ...rest } = state.base;
  const base = Object.fromEntries(Object.entries(rest).filter(([name]) => !CACHE_FIELDS.includes(name)));
  return {
    created: history.at(-1)?.created ?? isoTime(input.clockMs),
    ...(state.author === undefined ? {} : { author: state.author }),
    ...base,
    architecture: platform.architecture,
    ...(platform.variant === undefined ? {} : { variant: platform.variant }),
    os: platform.os,
    config: state.config,
    rootfs: { type: 'layers', diff_ids: input.layers.map((layer) => layer.diffId) },
    history,
    ...input.fields,
  };
}

/** Entries of the build get the time of their layer; those without one the time of the layer before them. */
function datedHistory(input: AssembleInput): readonly HistoryEntry[] {
  let currentMs = input.clockMs;
  const own = input.state.history.filter((planned) => planned.vertex !== undefined);
  if (!input.fixedClock && own[0]?.vertex !== undefined) currentMs = createdOf(input, own[0].vertex);
  const baseLength = (input.state.base.history ?? []).length;
  const entries = input.state.history.map((planned, index) => {
    if (index < baseLength) return planned.entry;
    if (planned.vertex !== undefined && !input.fixedClock) {
      currentMs = Math.max(currentMs, createdOf(input, planned.vertex));
    }
    return { created: isoTime(currentMs), ...planned.entry };
  });
  return fillMissing(entries, input.state.history, input.layers.length);
}

function createdOf(input: AssembleInput, vertex: Digest): number {
  return input.createdMs.get(vertex) ?? input.clockMs;
}

/**
 * A base whose history does not mention all of its layers gets entries for the rest, so that entries and layers agree.
 *
 * @throws BuildError `INTERNAL` when there are more entries with a layer than layers.
 */
function fillMissing(
  entries: readonly HistoryEntry[],
  planned: readonly PlannedHistory[],
  layerCount: number,
): readonly HistoryEntry[] {
  const missing = layerCount - entries.filter((entry) => entry.empty_layer !== true).length;
  if (missing < 0) {
    throw new BuildError('INTERNAL', `The history has ${-missing} more layers than the image.`);
  }
  const ownStart = planned.findIndex((entry) => entry.vertex !== undefined);
  const at = ownStart < 0 ? entries.length : ownStart;
  const fillers = Array.from({ length: missing }, (): HistoryEntry => ({ comment: 'layer without history' }));
  return [...entries.slice(0, at), ...fillers, ...entries.slice(at)];
}

/** A base's annotations say something of the base. */
function withoutAnnotations(blob: Descriptor): Descriptor {
  const { annotations: _annotations, ...rest } = blob;
  return rest;
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}
