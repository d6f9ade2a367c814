import type { Descriptor } from '../oci/index.ts';
import type { Store } from '../store/index.ts';

/** An image of the store with the full references under which it shall be known where it goes. */
export interface NamedImage {
  /** Manifest or index. */
  readonly descriptor: Descriptor;
  readonly references: readonly string[];
}

/** What outputs read from. */
export interface OutputDeps {
  readonly store: Store;
}
