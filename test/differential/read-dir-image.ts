import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Json, LayerBlob } from '../support/oci-layout.ts';

/** Reads an image in the `dir:` form of buildah and skopeo: manifest, config and plain layers side by side, named by digest. */
export function readDirImage(folder: string): { readonly config: Json; readonly layers: readonly LayerBlob[] } {
  const blob = (digest: string): string => join(folder, digest.replace(/^sha256:/, ''));
  const manifest = readJson(join(folder, 'manifest.json')) as unknown as {
    readonly config: { readonly digest: string };
    readonly layers: ReadonlyArray<{ readonly digest: string; readonly mediaType: string }>;
  };
  const config = readJson(blob(manifest.config.digest)) as Json & { rootfs: { diff_ids: readonly string[] } };
  const layers = manifest.layers.map(({ digest, mediaType }, position) => ({
    path: blob(digest),
    digest,
    mediaType,
    diffId: config.rootfs.diff_ids[position] ?? '',
  }));
  return { config, layers };
}

function readJson(path: string): Json {
  return JSON.parse(readFileSync(path, 'utf8')) as Json;
}
