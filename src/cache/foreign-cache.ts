import { BuildError } from '../core/index.ts';
import type { Descriptor, Index, Manifest } from '../oci/index.ts';

/** Config of a cache that BuildKit wrote, in its image-manifest form and in the index of its older form alike. */
const BUILDKIT_CONFIG_TYPE = 'application/vnd.buildkit.cacheconfig.v0';

/** Refuses a cache of BuildKit by name: its keys are digests of BuildKit's own graph, which nothing else computes. */
export function refuseBuildkit(parts: Pick<Manifest, 'config'> | Pick<Index, 'manifests'>): void {
  const named: readonly Descriptor[] = 'config' in parts ? [parts.config] : parts.manifests;
  if (named.some(({ mediaType }) => mediaType === BUILDKIT_CONFIG_TYPE)) throw buildkitCache("BuildKit's cache");
}

/** The refusal, by what was found. */
export function buildkitCache(what: string): BuildError {
  return new BuildError(
    'IMAGE_INVALID',
    `it is ${what}, whose keys mean nothing to other builders; write one with --cache-to under a name of its own`,
  );
}
