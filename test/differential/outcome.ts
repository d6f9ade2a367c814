import type { FlatTree } from '../support/flatten.ts';
import type { Json, LayerBlob } from '../support/oci-layout.ts';

/** What a builder made of a case. */
export type Outcome<Image> = { readonly kind: 'image'; readonly image: Image } | Failure;

export interface Failure {
  readonly kind: 'failure';
  /** Ours alone has codes. */
  readonly code?: string;
  readonly message: string;
}

/** What is compared of an image. */
export interface BuiltImage {
  readonly tree: FlatTree;
  readonly config: Json;
  /** Seconds since the epoch: when its build began. */
  readonly startedAt: number;
}

/** An image of ours, with what only expectations look at. */
export interface OurImage extends BuiltImage {
  readonly layers: readonly LayerBlob[];
  /** Names of the warnings that the build gave. */
  readonly warnings: readonly string[];
}
