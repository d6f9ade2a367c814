import type { Descriptor } from '../oci/index.ts';
import type { Store } from '../store/index.ts';

/** An image of the store with the full references under which it shall be known where it goes. */
export interface NamedImage {
  /** Manifest or index. */
  readonly descriptor: Descriptor;
  readonly references: readonly string[];
}

/** An image of an archive or layout, with every name that it has there. */
export interface FoundImage extends NamedImage {
  /** As they are written there: a bare tag names no image anywhere else, and is no reference. */
  readonly names: readonly string[];
}

/** What outputs read from. */
export interface OutputDeps {
  readonly store: Store;
}
