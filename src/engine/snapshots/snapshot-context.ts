import { chainIdOf, digestHex } from '../../core/index.ts';
import type { LayerRef } from '../../oci/index.ts';
import type { Store } from '../../store/index.ts';
import type { WorkingKind } from '../exec/namespace.ts';
import type { LayerAccess } from '../types.ts';

/** What every kind of snapshots works with. */
export interface SnapshotContext {
  readonly store: Store;
  readonly layers: LayerAccess;
  /** In which way files are owned here. */
  readonly kind: WorkingKind;
}

/** Name of what a chain of layers makes together. */
export function snapshotKey(layers: readonly LayerRef[]): string {
  return digestHex(chainIdOf(layers.map((layer) => layer.diffId)) ?? 'sha256:');
}
