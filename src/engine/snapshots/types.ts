import type { LayerItem } from '../../archive/index.ts';
import type { BytePath, RunContext } from '../../core/index.ts';
import type { LayerRef } from '../../oci/index.ts';
import type { Lease } from '../../store/index.ts';

/** Directories of a step that runs, or is about to. Belongs to whoever prepared it, until `commit` or `discard`. */
export interface ActiveSnapshot {
  /** Private directory that holds the others; free for the caller's own temporary files. */
  readonly dir: string;
  /** Unpacked layers, lowest first; none where the step works on a copy of them. */
  readonly lowerDirs: readonly string[];
  /** Where the changes land; with everything else in it where the step works on a copy. */
  readonly upperDir: string;
  readonly workDir: string;
}

/** A stack of layers together with the lease that keeps its directories. */
export interface LayerStack {
  readonly layers: readonly LayerRef[];
  readonly lease: Lease;
}

/**
 * Layers as directories. Where overlayfs stacks them, each layer of a chain is unpacked once, by its chain ID, and is never
 * changed afterwards; several processes may use the same ones, and unpack the same ones at once. Where roots are copies, a
 * chain is one directory, and a step goes on in the one that the step before it has left.
 */
export interface Snapshots {
  /**
   * The directories of a stack for reading, lowest first; missing ones are unpacked.
   *
   * @throws BuildError `HOST_LACKS` where steps cannot be isolated, `ARCHIVE_INVALID`, `STORE_FULL`, `CANCELLED`, and what
   *   `LayerAccess` throws.
   */
  mountable(stack: LayerStack, context: RunContext): Promise<readonly string[]>;
  /** Directories for one step on a stack, on the file system of the store. @throws BuildError as `mountable` does. */
  prepare(stack: LayerStack, context: RunContext): Promise<ActiveSnapshot>;
  /**
   * Makes a layer of the changes, in the store with its table of contents, and keeps the directory for steps upon that layer.
   * Same changes give the same layer. `active` is used up, also when it fails.
   */
  commit(
    input: {
      readonly active: ActiveSnapshot;
      readonly parents: LayerStack;
      readonly clampMtime?: number | undefined;
      /** Names that were there for a moment: their directories are no changes for that. */
      readonly madePaths?: readonly BytePath[];
    },
    context: RunContext,
  ): Promise<LayerRef>;
  discard(active: ActiveSnapshot): Promise<void>;
  /** Writes files into an existing directory, with owners and attributes, as the step will see them. */
  unpack(items: Iterable<LayerItem>, directory: string, context: RunContext): Promise<void>;
  /** Removes what was kept for further steps of this process alone. */
  close(): Promise<void>;
}
