import type { Digest } from './digest.ts';
import type { ErrorCode } from './errors.ts';
import type { SourceLocation } from './location.ts';

/** Milliseconds since the Unix epoch, as `Date.now()` gives them. */
export type TimeMs = number;

/**
 * What was decided about a step's cache. `source`: a context, an image, a download, looked at in every build, which can
 * neither hit nor miss. `reason` is a sentence for people; `changes` names what differs from the nearest earlier record of
 * the same step, where there is one.
 */
export interface CacheVerdict {
  readonly kind: 'cached' | 'run' | 'unknown' | 'source';
  readonly reason: string;
  readonly changes?: readonly CacheChange[];
}

/** One input of a step that differs from its last run. Absent `from` or `to`: the input is new, or gone. */
export interface CacheChange {
  /** What changed: `command`, `env NAME`, `base`, `file src/main.js`, … */
  readonly input: string;
  readonly from?: string;
  readonly to?: string;
}

/** Names of things that a running build is told about. `vertex` is the id of a vertex of the graph, unique in a build. */
export type BuildEvent =
  | { readonly kind: 'build-started'; readonly time: TimeMs; readonly buildId: string; readonly fileName: string }
  | {
      readonly kind: 'build-planned';
      readonly time: TimeMs;
      readonly vertices: ReadonlyArray<VertexInfo>;
    }
  | { readonly kind: 'vertex-started'; readonly time: TimeMs; readonly vertex: string }
  | {
      readonly kind: 'vertex-completed';
      readonly time: TimeMs;
      readonly vertex: string;
      readonly durationMs: number;
      readonly verdict: CacheVerdict;
    }
  | {
      readonly kind: 'vertex-failed';
      readonly time: TimeMs;
      readonly vertex: string;
      readonly durationMs: number;
      readonly code: ErrorCode;
      readonly message: string;
    }
  | {
      readonly kind: 'log';
      readonly time: TimeMs;
      readonly vertex: string;
      readonly stream: 'stdout' | 'stderr';
      /** Raw bytes of the command's output, decoded as UTF-8; may hold part of a line, or several. */
      readonly text: string;
    }
  | {
      readonly kind: 'transfer';
      readonly time: TimeMs;
      /** Unique per transfer in a build. */
      readonly id: string;
      readonly direction: 'pull' | 'push' | 'download' | 'export';
      /** What is moved, for people: a reference, a URL, a layer's short digest. */
      readonly name: string;
      readonly vertex?: string;
      readonly currentBytes: number;
      readonly totalBytes?: number;
      readonly done: boolean;
    }
  | {
      readonly kind: 'warning';
      readonly time: TimeMs;
      readonly code: string;
      readonly message: string;
      readonly hint?: string;
      readonly location?: SourceLocation;
      readonly vertex?: string;
    }
  | {
      readonly kind: 'build-completed';
      readonly time: TimeMs;
      readonly durationMs: number;
      /** Digest of the manifest or index made, if one was made. */
      readonly digest?: Digest;
      readonly references: readonly string[];
    }
  | {
      readonly kind: 'build-failed';
      readonly time: TimeMs;
      readonly durationMs: number;
      readonly code: ErrorCode;
      readonly message: string;
    };

/** What a progress display needs to know of a vertex. */
export interface VertexInfo {
  readonly id: string;
  /** Text for people, such as `[build 2/5] RUN make`. */
  readonly name: string;
  readonly inputs: readonly string[];
  readonly stage?: string;
  /** 1-based number among all steps of the build, in the order of the Dockerfile. */
  readonly number: number;
  readonly location?: SourceLocation;
}
