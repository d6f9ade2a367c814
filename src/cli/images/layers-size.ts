import type { Manifest } from '../../oci/index.ts';

/** The bytes of an image's layers as they lie in the store. */
export function layersSize({ layers }: Manifest): number {
  return layers.reduce((sum, { size }) => sum + size, 0);
}
