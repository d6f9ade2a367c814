import type { Platform } from '../../core/index.ts';
import type { OpResult } from '../../engine/index.ts';
import type { Descriptor } from '../../oci/index.ts';
import type { Outcomes } from '../../solver/index.ts';
import type { AssembledImage } from '../request/assemble-image.ts';
import type { BuildResult, BuiltImage, LayerReport, StepReport } from '../types.ts';

/** An image with the platform that it was asked for. */
export interface ReportedImage {
  readonly image: AssembledImage;
  readonly platform: Platform;
}

interface ReportInput {
  readonly images: readonly ReportedImage[];
  /** The image, or the index over several. */
  readonly root: Descriptor;
  readonly references: readonly string[];
  readonly outcomes: Outcomes<OpResult>;
  readonly durationMs: number;
}

/** What a build tells of its images. */
export function reportBuild({ images, root, references, outcomes, durationMs }: ReportInput): BuildResult {
  const built = images.map(reportImage);
  const rest = { references, steps: reportSteps(outcomes), durationMs, warnings: [] };
  if (built.length === 1) return { ...built[0]!, ...rest };
  const layers = new Map(built.flatMap((image) => image.layers.map((layer) => [layer.digest, layer] as const)));
  return {
    ...built[0]!,
    digest: root.digest,
    mediaType: root.mediaType,
    manifestSizeBytes: root.size,
    sizeBytes: sizeOf([...layers.values()]),
    images: built,
    ...rest,
  };
}

function reportImage({ image, platform }: ReportedImage): BuiltImage {
  const diffIds = image.config.rootfs.diff_ids;
  const layers = image.manifest.layers.map((blob, index) => ({
    diffId: diffIds[index]!,
    digest: blob.digest,
    mediaType: blob.mediaType,
    sizeBytes: blob.size,
  }));
  return {
    digest: image.descriptor.digest,
    configDigest: image.manifest.config.digest,
    mediaType: image.descriptor.mediaType,
    manifestSizeBytes: image.descriptor.size,
    platform,
    config: image.config,
    layers,
    sizeBytes: sizeOf(layers),
  };
}

function sizeOf(layers: readonly LayerReport[]): number {
  return layers.reduce((sum, layer) => sum + layer.sizeBytes, 0);
}

/** The steps with what became of them. */
export function reportSteps(outcomes: Outcomes<OpResult>): readonly StepReport[] {
  return [...outcomes.values()].map(({ vertex, verdict, startedMs, durationMs }) => ({
    vertex: vertex.id,
    name: vertex.info.name,
    ...(vertex.info.stage === undefined ? {} : { stage: vertex.info.stage }),
    verdict,
    startedMs,
    durationMs,
  }));
}
