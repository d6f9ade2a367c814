import type { Digest, Platform, SourceLocation } from '../core/index.ts';
import type { ImageConfig } from '../oci/index.ts';

/** A context given by name (`--build-context`), already understood. */
export type NamedContext =
  | { readonly kind: 'local' }
  | { readonly kind: 'image'; readonly reference: string }
  | { readonly kind: 'stage'; readonly stage: string };

/** What decides a graph beside the Dockerfile. All values are final: nothing is read from the environment. */
export interface LowerOptions {
  readonly target?: string | undefined;
  readonly platform: Platform;
  readonly hostPlatform: Platform;
  readonly buildArgs: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  /** By the names that the user gave: `alpine`, `docker.io/library/alpine:latest`, `app::linux/arm64`. */
  readonly contexts: ReadonlyMap<string, NamedContext>;
  readonly network: 'default' | 'none' | 'host';
  readonly extraHosts: ReadonlyArray<{ readonly name: string; readonly address: string }>;
  readonly shmSizeBytes?: number | undefined;
  readonly ulimits: ReadonlyArray<{ readonly name: string; readonly soft: number; readonly hard: number }>;
  /** Entitlements: `network.host`, `security.insecure`. */
  readonly allow: readonly string[];
  readonly noCache: boolean;
  readonly noCacheFilter: readonly string[];
  /** Tells projects apart in `VertexDescription.slot`: the context's path, a URL. */
  readonly project: string;
  /** Secrets and ssh agents that a step names must be there. */
  readonly strict: boolean;
}

/** An image that a Dockerfile names, to be resolved. */
export interface BaseRequest {
  /** As written after expansion, such as `node:20`. */
  readonly reference: string;
  readonly platform: Platform;
  /** Where the Dockerfile names it first; for errors. */
  readonly location?: SourceLocation;
  /** A stage whose name is so near that it may have been meant. */
  readonly nearestStage?: string;
}

/** A base image as resolved. */
export interface ResolvedBase {
  /** Full reference by digest, from which layers can be fetched. */
  readonly reference: string;
  readonly manifest: Digest;
  readonly config: ImageConfig;
}

/** Finds what a `BaseRequest` was resolved to. */
export type BaseLookup = (request: BaseRequest) => ResolvedBase | undefined;
