import type { ListedNode } from './listing.ts';

/** What may differ from the reference builder in one place of one image. */
export interface CaseAllowance {
  readonly path: string;
  readonly field: string;
  /** A name in `reasons.ts`. */
  readonly reason: string;
}

/** A file of a build context. */
export interface ContextFile extends Omit<ListedNode, 'kind'> {
  readonly kind: 'file' | 'directory' | 'symlink' | 'hardlink' | 'fifo' | 'archive';
  /** How an archive is compressed. Its content is a listing. */
  readonly compression?: string;
}

/** What both builders are asked for beside the Dockerfile. */
export interface CaseOptions {
  readonly target?: string;
  readonly platform?: string;
  /** Path of the Dockerfile in the context. */
  readonly dockerfile?: string;
  readonly buildArgs: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly secrets: Readonly<Record<string, string>>;
  /** Named contexts: `name` to a directory of the context, or to what the option takes. */
  readonly buildContexts: Readonly<Record<string, string>>;
  readonly addHosts: Readonly<Record<string, string>>;
  /** A directory of the context that a server on the loopback offers; its address is the build argument SERVER. */
  readonly serve?: string;
}

/** How the reference builder relates to a case. */
export type ReferenceRole =
  /** It makes the same image, or fails too. */
  | { readonly kind: 'same' }
  /** It makes the same image of another text. */
  | { readonly kind: 'rewritten'; readonly dockerfile: string }
  /** It fails where we build, or builds where we fail: what it does is checked too. */
  | { readonly kind: 'refuses' | 'accepts'; readonly reason: string }
  /** Nothing it says is of use. */
  | { readonly kind: 'none'; readonly reason: string };

/** A Dockerfile of the corpus, with everything it is built from and what is known of the result. */
export interface DifferentialCase {
  /** `theme/name`. */
  readonly id: string;
  readonly theme: string;
  /** What the case shows, in a sentence or two. */
  readonly about: string;
  /** Numbers of the rules in `rules.ts`. */
  readonly rules: readonly number[];
  readonly options: CaseOptions;
  readonly files: readonly ContextFile[];
  /** Images that are built first, from the same context: Dockerfile text by tag. */
  readonly before: Readonly<Record<string, string>>;
  readonly reference: ReferenceRole;
  readonly allow: readonly CaseAllowance[];
  /** The build is to fail with this code, and a message that holds this text. */
  readonly fails?: { readonly code: string; readonly text: string };
  /** Lines about our image, checked whatever the reference does; see `expectations.ts`. */
  readonly expect: readonly string[];
  readonly rootOnly: boolean;
}
