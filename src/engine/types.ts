import type { FileTree, IndexedLayer } from '../archive/index.ts';
import type { MountTravel } from '../cache/index.ts';
import type { RunContext } from '../core/index.ts';
import type { LayerRef } from '../oci/index.ts';
import type { Lease, Store } from '../store/index.ts';

/** What an op evaluates to. */
export type OpResult =
  /** Lowest layer first; empty for scratch. */
  { readonly kind: 'layers'; readonly layers: readonly LayerRef[] } | TreeResult;

/** A tree that is no stack of layers: a local directory, a download, a git checkout. */
export interface TreeResult {
  readonly kind: 'tree';
  /** Identity of the whole content where it is known without reading it: a commit, a download's digest. */
  readonly identity?: string;
  readonly tree: FileTree;
  /** Files are named from the host's user: they count as 0:0. */
  readonly ownerless: boolean;
  /**
   * SHA-256 hex of a file's content, cached by stat data where the tree is a host directory. Absent: read `content`.
   */
  readonly fileDigest?: (path: string) => string;
  /** Keeps the digests that were computed for the next build; cheap when there are no new ones. */
  readonly saveDigests?: () => Promise<void>;
  /** Says which ignore rule hides a path, for errors. */
  readonly ignoredBy?: (
    path: string,
  ) => { readonly fileName: string; readonly line: number; readonly pattern: string } | undefined;
}

/** Access to the content of layers, wherever they are. Results are remembered in the store. */
export interface LayerAccess {
  /** Path of the layer's uncompressed tar; fetched and decompressed when it is not there. */
  tarPath(layer: LayerRef, context: RunContext): Promise<string>;
  /** Layers with their tables of contents. */
  indexed(layers: readonly LayerRef[], context: RunContext): Promise<readonly IndexedLayer[]>;
  /** The merged view of a stack of layers, whiteouts applied. */
  view(layers: readonly LayerRef[], context: RunContext): Promise<FileTree>;
}

/** A value given with the request that a step may ask for by id; read when it is asked for. */
export type SecretProvider = (id: string) => Promise<Uint8Array | undefined>;

/** What ops of one build work with. */
export interface EngineEnv {
  readonly store: Store;
  readonly lease: Lease;
  readonly layers: LayerAccess;
  readonly secrets: SecretProvider;
  /** Path of an agent's socket by ssh id. */
  readonly sshAgents: ReadonlyMap<string, string>;
  /** Brings the content of cache mounts from elsewhere; absent: they begin empty, and stay here. */
  readonly cacheMounts?: MountTravel | undefined;
  /** Where CDI devices are described; default /etc/cdi and /var/run/cdi. */
  readonly cdiDirectories?: readonly string[];
  /** Seconds since the epoch for entries that the build itself makes (SOURCE_DATE_EPOCH or the build's start). */
  readonly clockSeconds: number;
  /** Latest mtime allowed in new layers (`rewrite-timestamp`); absent: files keep theirs. */
  readonly clampMtime?: number;
}

/**
 * One way to look a step's result up. Candidates come cheapest first: identity of inputs, then their content. `inputs`
 * names every part of the key, for explaining a miss.
 */
export interface CacheKey {
  readonly key: string;
  readonly inputs: Readonly<Record<string, string>>;
}
