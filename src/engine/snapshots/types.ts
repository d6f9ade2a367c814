import type { LayerItem } from '../../archive/index.ts';
import type { RunContext } from '../../core/index.ts';
import type { LayerRef } from '../../oci/index.ts';
import type { Lease } from '../../store/index.ts';

/** Directories of a step that runs, or is about to. Belongs to whoever prepared it, until `commit` or `discard`. */
export interface ActiveSnapshot {
  /** Private directory that holds the others; free for the caller's own temporary files. */
  readonly dir: string;
  /** Where the changes land. */
  readonly upperDir: string;
  readonly workDir: string;
}

/** A stack of layers together with the lease that keeps its directories. */
export interface LayerStack {
  readonly layers: readonly LayerRef[];
  readonly lease: Lease;
}

/**
 * Layers as directories that overlayfs stacks. Each layer of a chain is unpacked once, by its chain ID, and is never changed
 * afterwards. Several processes may use the same ones, and unpack the same ones at once.
 */
export interface Snapshots {
  /**
   * The directories of a stack, lowest first; missing ones are unpacked.
   *
   * @throws BuildError `HOST_LACKS` where steps cannot be isolated, `ARCHIVE_INVALID`, `STORE_FULL`, `CANCELLED`, and what
   *   `LayerAccess` throws.
   */
  mountable(stack: LayerStack, context: RunContext): Promise<readonly string[]>;
  /** Fresh directories for the changes of one step, on the file system of the store. */
  prepare(): Promise<ActiveSnapshot>;
  /**
   * Makes a layer of the changes, in the store with its table of contents, and keeps the directory as that layer's snapshot.
   * Same changes give the same layer. `active` is used up, also when it fails.
   */
  commit(
    input: { readonly active: ActiveSnapshot; readonly parents: LayerStack; readonly clampMtime?: number | undefined },
    context: RunContext,
  ): Promise<LayerRef>;
  discard(active: ActiveSnapshot): Promise<void>;
  /** Writes files into an existing directory, with owners and attributes, as the step will see them. */
  unpack(items: Iterable<LayerItem>, directory: string, context: RunContext): Promise<void>;
}
