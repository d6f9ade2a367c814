import type { CacheLocation, CacheMountsLocation, CacheMountsTarget, CacheTarget } from '../cache/index.ts';
import type { BuildError, CacheVerdict, Digest, Platform, RunContext, TimeMs } from '../core/index.ts';
import type { Dockerfile, IgnoreMatcher, LintResult } from '../dockerfile/index.ts';
import type { ImageConfig } from '../oci/index.ts';
import type { EngineKind } from '../outputs/index.ts';
import type { Credentials } from '../registry/index.ts';
import type { PruneOptions, PruneResult } from '../store/index.ts';
import type { Capabilities } from './needs/features.ts';
import type { Preset } from './request/preset-rules.ts';
import type { BackendKind } from './selection/kinds.ts';

export type { CacheLocation, CacheMountsLocation, CacheMountsTarget, CacheTarget, EngineKind, Preset };

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
  /** Those of a base as well: what is compressed otherwise, and where a level is given, all of it. Their digests change. */
  readonly forceCompression?: boolean;
}

/**
 * Where the result goes. `image` is the local store; tars and directories are files of the host (`-` is stdout); `docker` has
 * plain layers unless it says otherwise. `load` hands the image to an engine of this host: the named one, else the first that
 * is there of docker, podman and containerd.
 */
export type OutputInput =
  | ({
      readonly kind: 'image';
      readonly push?: boolean;
      /** What is pushed gets no tag: the repositories that the request's names tell have it by its digest. */
      readonly pushByDigest?: boolean;
    } & LayerCompression)
  | ({ readonly kind: 'oci'; readonly destination: string; readonly tar: boolean } & LayerCompression)
  | ({ readonly kind: 'docker'; readonly destination: string } & LayerCompression)
  | { readonly kind: 'load'; readonly engine?: EngineKind }
  | { readonly kind: 'tar'; readonly destination: string }
  | { readonly kind: 'local'; readonly destination: string }
  | { readonly kind: 'cacheonly' };

/** What an annotation is written to: a manifest, the index over several, or the descriptor that leads to either. */
export type AnnotationLevel = 'manifest' | 'index' | 'manifest-descriptor' | 'index-descriptor';

/** One annotation at one place. */
export interface AnnotationInput {
  readonly key: string;
  readonly value: string;
  /** Default `manifest`. */
  readonly level?: AnnotationLevel;
  /** Of the images whose manifests get it; default all. Not for those of an index. */
  readonly platform?: string;
}

/** Everything a build can be asked for; the same options as `docker build`, typed. */
export interface BuildRequest {
  readonly context: ContextInput;
  readonly dockerfile?: DockerfileInput;
  /** Values of `ARG`. */
  readonly buildArgs?: Readonly<Record<string, string>>;
  /** Stage to stop at; default the last. */
  readonly target?: string;
  /** `os/arch[/variant]`; several with commas make an index of as many images. Default this host's. */
  readonly platform?: string;
  /** Image names; `latest` is implied. */
  readonly tags?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
  /** By key for every manifest, or one by one for a level and a platform. */
  readonly annotations?: Readonly<Record<string, string>> | readonly AnnotationInput[];
  readonly noCache?: boolean;
  /** Stages whose own steps are not taken from the cache. */
  readonly noCacheFilter?: readonly string[];
  /**
   * `missing` (default): ask a registry only for what the store lacks. `always`: resolve every base anew. `newer`: as
   * `always`, but what the store has will do when the registry cannot be reached.
   */
  readonly pull?: 'missing' | 'always' | 'newer' | 'never';
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
  /** Shared caches to take results from, the first that has one counts; those that are missing or broken are warnings. */
  readonly cacheFrom?: readonly CacheLocation[];
  /** Shared caches to be written after the build. */
  readonly cacheTo?: readonly CacheTarget[];
  /** What new and empty cache mounts are filled from, the first that has an id counts; those that are missing or broken are warnings. */
  readonly cacheMountsFrom?: readonly CacheMountsLocation[];
  /** Where the content of the cache mounts that steps of the build used goes after it. */
  readonly cacheMountsTo?: readonly CacheMountsTarget[];
  /** One layer holds all that the build adds to its base, or to what it was at the end of a stage that it stands on. */
  readonly squash?: boolean | { readonly since: string };
  /** Makes the image one that a consumer takes which refuses modern ones; what contradicts it is refused. */
  readonly preset?: Preset;
  /** Types of the image's documents; default `oci`. */
  readonly format?: 'oci' | 'docker';
  /** Sign-ins by registry host, before those of the auth files. They are never written anywhere. */
  readonly credentials?: Readonly<Record<string, Credentials>>;
  /** Who builds; default `ZLAYER_BACKEND`, else what suits this host and the image's operating system. */
  readonly backend?: BackendKind;
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

/** One image that a build made, as it lies in the store. */
export interface BuiltImage {
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
}

/**
 * What a build made. For several platforms `digest`, `mediaType` and `manifestSizeBytes` are those of the index, `sizeBytes`
 * counts layers that images share once, and the rest of `BuiltImage` is that of the first platform.
 */
export interface BuildResult extends BuiltImage {
  /** The images of an index, in the order of the platforms; absent for one platform. */
  readonly images?: readonly BuiltImage[];
  /** Full references that now name the image. */
  readonly references: readonly string[];
  /** Annotations of the descriptor that leads to the image, or to the index. */
  readonly descriptorAnnotations?: Readonly<Record<string, string>>;
  /** What went to registries: there the digest is that of compressed layers. */
  readonly pushed?: readonly ImageReceipt[];
  readonly steps: readonly StepReport[];
  readonly durationMs: number;
  readonly warnings: ReadonlyArray<{ readonly code: string; readonly message: string }>;
}

/** What a build would do. */
export interface BuildPlan {
  readonly platform: Platform;
  /** All of them, where there are several. */
  readonly platforms?: readonly Platform[];
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

/** Whether a backend can work here, and if not, everything that is in the way. */
export type Availability =
  | {
      readonly available: true /** Such as the version of what it drives, or the daemon's address. */;
      readonly details: string;
    }
  | { readonly available: false; readonly reasons: readonly string[] };

/** An image where a backend keeps its images. */
export interface ImageSummary {
  /** Of the manifest, or of the index of several. */
  readonly digest: Digest;
  /** Undefined for an index. */
  readonly configDigest: Digest | undefined;
  readonly mediaType: string;
  /** Full references, sorted. */
  readonly references: readonly string[];
  /** One for an image; those of the members for an index. */
  readonly platforms: readonly Platform[];
  /** Sum of the layers' sizes as they are kept. */
  readonly sizeBytes: number;
  readonly createdMs: TimeMs | undefined;
}

/** Everything about one image. */
export interface ImageDetails extends ImageSummary {
  /** Undefined for an index. */
  readonly config: ImageConfig | undefined;
  readonly layers: readonly LayerReport[];
}

/** An image that was sent, tagged or put together. */
export interface ImageReceipt {
  /** Full reference that names it now. */
  readonly reference: string;
  readonly digest: Digest;
  readonly mediaType: string;
  /** Of the manifest or index itself. */
  readonly sizeBytes: number;
}

/** A manifest list (an OCI index) that is being put together, or was pulled. */
export interface ManifestList extends ImageReceipt {
  readonly members: readonly ManifestMember[];
}

/** One image of a manifest list. */
export interface ManifestMember {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly sizeBytes: number;
  readonly platform: Platform | undefined;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface PushImageInput extends LayerCompression {
  /** Name, or digest with `destination`. */
  readonly image: string;
  /** Default: the image's own name. */
  readonly destination?: string;
  /** Sets no tag. The receipt's reference has the digest in place of it. */
  readonly byDigest?: boolean;
  readonly credentials?: Readonly<Record<string, Credentials>>;
}

export interface ManifestAddInput {
  readonly list: string;
  /** In the backend's store, else in a registry. A member with the same digest is replaced. */
  readonly image: string;
  /** Default: what the image's config says. */
  readonly platform?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly credentials?: Readonly<Record<string, Credentials>>;
}

/**
 * One way of building images, with the store in which it keeps them. Implementations never fall back to another. A request's
 * needs are checked against `capabilities` before `buildImage` is called; what is there is honoured whole.
 *
 * Names are parsed as `docker` does (`latest` is implied); an image can also be named by its digest, or by the start of its
 * config's digest. Every method throws `BuildError`: `CANCELLED` once its context's signal is aborted (with nothing left
 * behind), `UNSUPPORTED` for what `capabilities` denies, `IMAGE_NOT_FOUND`, `REGISTRY_*`, and where the backend drives
 * another program or host, `BACKEND_UNAVAILABLE` and `BACKEND_FAILED`.
 */
export interface BuildBackend {
  readonly name: BackendKind;
  readonly capabilities: Capabilities;
  /** Asks for no more than is needed to know; never throws. */
  isAvailable(context: RunContext): Promise<Availability>;
  /** Builds, and names the image in the backend's store. Outputs and pushes are calls of their own. */
  buildImage(loaded: LoadedRequest, context: RunContext): Promise<BuildResult>;
  /** What `buildImage` would do. Nothing is run, written or named; sources given by URL are fetched. */
  planImage(loaded: LoadedRequest, context: RunContext): Promise<BuildPlan>;
  pushImage(input: PushImageInput, context: RunContext): Promise<ImageReceipt>;
  tagImage(input: { readonly image: string; readonly reference: string }, context: RunContext): Promise<ImageReceipt>;
  listImages(context: RunContext): Promise<readonly ImageSummary[]>;
  inspectImage(image: string, context: RunContext): Promise<ImageDetails>;
  /** Takes a name away; the image goes with its last one, or with `prune`. */
  removeImage(reference: string, context: RunContext): Promise<void>;
  /** Writes an image to a file, a directory or stdout of this host; `image` and `cacheonly` do nothing. */
  exportImage(
    input: {
      readonly image: string;
      readonly references: readonly string[];
      readonly output: OutputInput;
      /** Annotations of the descriptor that leads to the image, where the output has one. */
      readonly descriptorAnnotations?: Readonly<Record<string, string>>;
    },
    context: RunContext,
  ): Promise<void>;
  prune(options: PruneOptions, context: RunContext): Promise<Pick<PruneResult, 'freedBytes'>>;
  /** A new, empty list. @throws BuildError `USAGE` when the name is taken by an image. */
  manifestCreate(input: { readonly list: string }, context: RunContext): Promise<ManifestList>;
  manifestAdd(input: ManifestAddInput, context: RunContext): Promise<ManifestList>;
  manifestRemove(input: { readonly list: string; readonly digest: Digest }, context: RunContext): Promise<ManifestList>;
  manifestInspect(list: string, context: RunContext): Promise<ManifestList>;
  /** Pushes the list and all its members. */
  manifestPush(
    input: {
      readonly list: string;
      readonly destination?: string;
      readonly credentials?: Readonly<Record<string, Credentials>>;
    },
    context: RunContext,
  ): Promise<ImageReceipt>;
  /** Ends connections and whatever was started for this object alone. */
  close(): Promise<void>;
}
