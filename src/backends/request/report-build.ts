import type { Platform } from '../../core/index.ts';
import type { Descriptor } from '../../oci/index.ts';
import type { BuildResult, BuiltImage, LayerReport, StepReport } from '../types.ts';
import type { AssembledImage } from './assemble-image.ts';

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
  readonly steps: readonly StepReport[];
  readonly durationMs: number;
}

/** What a build tells of its images. */
export function reportBuild({ images, root, references, steps, durationMs }: ReportInput): BuildResult {
  const built = images.map(reportImage);
  const rest = { references, steps, durationMs, warnings: [] };
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
