import type { VertexId } from '../../graph/index.ts';

/** How the files of a COPY or ADD come to the stage that takes them. */
export type CopyDelivery =
  /** From another stage, as buildah copies. */
  | { readonly kind: 'stage'; readonly source: VertexId; readonly paths: readonly string[] }
  /** From an image of exactly these files. */
  | { readonly kind: 'image'; readonly image: string; readonly path: string; readonly destination: string }
  /** Nothing matched: an empty layer. */
  | { readonly kind: 'nothing' };

/** Where a mount's files come from when they are no stage's: an image, and a path in it. */
export interface MountDelivery {
  readonly image: string;
  readonly path: string;
}

/** Everything that a build takes from outside its stages, as buildah can take it. */
export interface Deliveries {
  readonly copies: ReadonlyMap<VertexId, CopyDelivery>;
  /** By vertex and position of the mount among those of its op. */
  readonly mounts: ReadonlyMap<string, MountDelivery>;
}

/** The key of a mount in `Deliveries.mounts`. */
export function mountKey(vertex: VertexId, index: number): string {
  return `${vertex} ${index}`;
}
