import type { BuildError, CacheVerdict, Digest, Platform, RunContext, TimeMs } from '../core/index.ts';
import type { Dockerfile, IgnoreMatcher, LintResult } from '../dockerfile/index.ts';
import type { ImageConfig } from '../oci/index.ts';

/** Where the files of a build come from. */
export type ContextInput =
  | { readonly kind: 'directory'; readonly path: string }
  | { readonly kind: 'empty' }
  /** A tar, plain or compressed, as docker takes it on stdin. */
  | { readonly kind: 'tar'; readonly stream: AsyncIterable<Uint8Array> }
  /** `https://host/repo.git#ref:subdir`, `git@host:…`, or the URL of a tar. */
  | { readonly kind: 'url'; readonly url: string };

/** Where the Dockerfile comes from. Absent: `Dockerfile`, else `Containerfile`, in the context. */
export type DockerfileInput =
  /** For a directory context: a path of the host, relative to the current directory. Else: a path in the context. */
  | { readonly kind: 'path'; readonly path: string }
  | { readonly kind: 'text'; readonly text: string; readonly fileName?: string };

/** A value for `RUN --mount=type=secret`, by id. */
export type SecretInput =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'env'; readonly name: string }
  | { readonly kind: 'value'; readonly value: string | Uint8Array }
  | { readonly kind: 'provider'; readonly provide: () => Promise<Uint8Array | string> };

/** How layers that we made leave the store; those of a base stay as they came. Default gzip, level 4; zstd needs Node 22.15. */
export interface LayerCompression {
  readonly compression?: 'gzip' | 'zstd' | 'none';
  /** 1 to 9 for gzip, 1 to 19 for zstd. */
  readonly compressionLevel?: number;
}

/** Where the result goes. `image` is the local store; tars and directories are files of the host (`-` is stdout). */
export type OutputInput =
  | ({ readonly kind: 'image'; readonly push?: boolean } & LayerCompression)
  | ({ readonly kind: 'oci'; readonly destination: string; readonly tar: boolean } & LayerCompression)
  | { readonly kind: 'docker'; readonly destination: string }
  | { readonly kind: 'tar'; readonly destination: string }
  | { readonly kind: 'local'; readonly destination: string }
  | { readonly kind: 'cacheonly' };

/** Everything a build can be asked for; the same options as `docker build`, typed. */
export interface BuildRequest {
  readonly context: ContextInput;
  readonly dockerfile?: DockerfileInput;
  /** Values of `ARG`. */
  readonly buildArgs?: Readonly<Record<string, string>>;
  /** Stage to stop at; default the last. */
  readonly target?: string;
  /** `os/arch[/variant]`; default this host's. */
  readonly platform?: string;
  /** Image names; `latest` is implied. */
  readonly tags?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly noCache?: boolean;
  /** Stages whose own steps are not taken from the cache. */
  readonly noCacheFilter?: readonly string[];
  /** `missing` (default): ask a registry only for what the store lacks. `always`: resolve every base anew. */
  readonly pull?: 'missing' | 'always' | 'never';
  readonly secrets?: Readonly<Record<string, SecretInput>>;
  /** Agent socket by ssh id; `default` is the usual id. */
  readonly ssh?: Readonly<Record<string, string>>;
  /** `name` to address; `host-gateway` is not offered. */
  readonly addHosts?: ReadonlyArray<{ readonly name: string; readonly address: string }>;
  /** Network of RUN steps that do not say; default `default`. */
  readonly network?: 'default' | 'none' | 'host';
  readonly shmSizeBytes?: number;
  readonly ulimits?: ReadonlyArray<{ readonly name: string; readonly soft: number; readonly hard: number }>;
  /** Named contexts: a directory, git or http URL, `docker-image://ref`, `oci-layout://path[:tag]`, `target:stage`. */
  readonly buildContexts?: Readonly<Record<string, string>>;
  /** Default: one `image`. */
  readonly outputs?: readonly OutputInput[];
  /** Push every tag after the build. */
  readonly push?: boolean;
  /** Steps run at once; default the number of cores, at least 4: many steps mostly wait. */
  readonly parallelism?: number;
  /** Allowed beyond the default: `network.host`, `security.insecure`. */
  readonly allow?: readonly string[];
  /** Seconds since the epoch for `created`, history and made directories; build arg SOURCE_DATE_EPOCH does the same. */
  readonly sourceDateEpoch?: number;
  /** Clamp mtimes in new layers to `sourceDateEpoch`. */
  readonly rewriteTimestamp?: boolean;
  /** Where the image store is; default `$ZLAYER_DATA_DIR`, else by user. */
  readonly dataDir?: string;
  /** Warnings become errors: no image is made. Secrets and ssh agents that a step names must be there. */
  readonly strict?: boolean;
}

/** One step in a result or a plan. */
export interface StepReport {
  readonly vertex: string;
  readonly name: string;
  readonly stage?: string;
  readonly verdict: CacheVerdict;
  readonly startedMs?: TimeMs;
  readonly durationMs?: number;
}

/** A layer of the made image as it lies in the store. */
export interface LayerReport {
  readonly diffId: Digest;
  readonly digest: Digest;
  readonly mediaType: string;
  readonly sizeBytes: number;
}

/** What a build made. */
export interface BuildResult {
  /** Digest of the manifest. */
  readonly digest: Digest;
  /** Digest of the image config: docker's image id. */
  readonly configDigest: Digest;
  readonly mediaType: string;
  readonly manifestSizeBytes: number;
  readonly platform: Platform;
  readonly config: ImageConfig;
  readonly layers: readonly LayerReport[];
  /** Sum of the layers' sizes in the store. */
  readonly sizeBytes: number;
  /** Full references that now name the image. */
  readonly references: readonly string[];
  readonly steps: readonly StepReport[];
  readonly durationMs: number;
  readonly warnings: ReadonlyArray<{ readonly code: string; readonly message: string }>;
}

/** What a build would do. */
export interface BuildPlan {
  readonly platform: Platform;
  readonly steps: readonly StepReport[];
  /** Base images as resolved. */
  readonly bases: ReadonlyArray<{ readonly reference: string; readonly digest: Digest }>;
  /** Digest over everything that decides the result; equal plans make equal images, but for what RUN steps do by themselves. */
  readonly digest: Digest;
}

/** What the build checks found. */
export interface CheckResult extends LintResult {
  /** What a build would fail with before its first step, as far as that can be told without asking a registry. */
  readonly error?: BuildError;
}

/** A directory of files for COPY and ADD, with the rules of its ignore file. */
export interface ContextDirectory {
  /** Absolute; undefined for an empty context. */
  readonly directory: string | undefined;
  readonly ignore: IgnoreMatcher | undefined;
}

/** A request with everything read that it names on this host: what a backend builds from. */
export interface LoadedRequest {
  readonly request: BuildRequest;
  readonly dockerfile: Dockerfile;
  readonly context: ContextDirectory;
  /** Named contexts that are directories; the others are in `request.buildContexts`. */
  readonly directories: ReadonlyMap<string, ContextDirectory>;
  /** What the build is called in messages and in cache slots: the context's path or URL. */
  readonly project: string;
}

/** One way of building images. Implementations never fall back to another, and honour every option or refuse it. */
export interface BuildBackend {
  readonly name: string;
  buildImage(loaded: LoadedRequest, context: RunContext): Promise<BuildResult>;
  /** What `buildImage` would do. Nothing is run, written or named; sources given by URL are fetched. */
  planImage(loaded: LoadedRequest, context: RunContext): Promise<BuildPlan>;
}
