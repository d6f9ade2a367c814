import { type Platform, platformScore } from '../core/index.ts';
import type { Descriptor, DescriptorPlatform, Index } from './types.ts';

const ATTESTATION_ANNOTATION = 'vnd.docker.reference.type';

/** The platform of an index's entry in our own terms. */
export function platformOfDescriptor(platform: DescriptorPlatform): Platform {
  return {
    os: platform.os,
    architecture: platform.architecture,
    ...(platform.variant === undefined ? {} : { variant: platform.variant }),
    ...(platform['os.version'] === undefined ? {} : { osVersion: platform['os.version'] }),
  };
}

/** A platform in the wire's names, for an index's entry. */
export function toDescriptorPlatform(platform: Platform): DescriptorPlatform {
  return {
    architecture: platform.architecture,
    os: platform.os,
    ...(platform.osVersion === undefined ? {} : { 'os.version': platform.osVersion }),
    ...(platform.variant === undefined ? {} : { variant: platform.variant }),
  };
}

/** Entries that describe other entries (BuildKit's provenance and SBOM) instead of being images. */
export function isAttestation({ annotations, platform }: Descriptor): boolean {
  return annotations?.[ATTESTATION_ANNOTATION] !== undefined || platform?.os === 'unknown';
}

/**
 * The entry of an index that serves a platform best, the first of equals (image-spec, image-index.md). Attestations are
 * never taken; an entry without a platform only when it is the sole one. Undefined when nothing fits.
 */
export function selectManifest(index: Index, platform: Platform): Descriptor | undefined {
  const images = index.manifests.filter((entry) => !isAttestation(entry));
  let best: { readonly entry: Descriptor; readonly score: number } | undefined;
  for (const entry of images) {
    const score = entry.platform === undefined ? 0 : platformScore(platform, platformOfDescriptor(entry.platform));
    if (score > (best?.score ?? 0)) best = { entry, score };
  }
  if (best !== undefined) return best.entry;
  const [sole] = images;
  return images.length === 1 && sole?.platform === undefined ? sole : undefined;
}
