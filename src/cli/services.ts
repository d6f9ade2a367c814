import type {
  BackendKind,
  BackendReport,
  BackendUse,
  BakeEvent,
  BakeRequest,
  BakeResult,
  BuildBackend,
  BuildPlan,
  BuildRequest,
  BuildResult,
  CheckResult,
  ContextEntry,
  CopiedImage,
  CopyInput,
  ListContextInput,
} from '../backends/index.ts';
import type { BuildEvent, Platform, Reference, RunContext } from '../core/index.ts';
import type { Outline, TargetInfo } from '../dockerfile/index.ts';
import type { Descriptor } from '../oci/index.ts';
import type { Credentials, RegistryClient } from '../registry/index.ts';
import type { Store } from '../store/index.ts';

/** How long work is cancelled and observed. */
export interface Observed {
  readonly signal: AbortSignal;
  readonly onEvent: (event: BuildEvent) => void;
}

/** As `Observed`, for several builds at once. */
export interface BakeObserved {
  readonly signal: AbortSignal;
  readonly onEvent: (event: BakeEvent) => void;
}

/** An image that moved between the store and somewhere else. */
export interface MovedImage {
  /** Full reference, where it has a name. */
  readonly reference: string | undefined;
  readonly digest: Descriptor['digest'];
}

/**
 * What the commands need of the rest of the house. Every method loads its part when it is called, so that a command
 * starts without what it does not use.
 */
export interface Services {
  build(request: BuildRequest, observed: Observed): Promise<BuildResult>;
  /** Several images as one piece of work. */
  bake(request: BakeRequest, observed: BakeObserved): Promise<BakeResult>;
  plan(request: BuildRequest, observed: Observed): Promise<BuildPlan>;
  check(request: BuildRequest, observed: Observed): Promise<CheckResult>;
  outline(request: BuildRequest, observed: Observed): Promise<Outline>;
  targets(request: BuildRequest, observed: Observed): Promise<readonly TargetInfo[]>;
  listContext(input: ListContextInput): Promise<readonly ContextEntry[]>;
  pull(input: PullInput, observed: Observed): Promise<MovedImage>;
  push(input: PushInput, observed: Observed): Promise<MovedImage>;
  /** From one place to another, byte for byte. */
  copy(input: CopyInput, observed: Observed): Promise<CopiedImage>;
  /** All backends, with what is in their way on this host, and which one builds. */
  describeBackends(input: { readonly dataDir: string | undefined }, observed: Observed): Promise<BackendReport>;
  /** Works with the backend that a build would take, or the one that is named. */
  withBackend<T>(
    use: BackendUse,
    observed: Observed,
    work: (backend: BuildBackend, context: RunContext) => Promise<T>,
  ): Promise<T>;
  /** Refuses an operation on the local store where another backend is named. @throws BuildError `UNSUPPORTED` */
  requireNative(input: { readonly backend: BackendKind | undefined; readonly operation: string }): Promise<void>;
  /** The store of native's images. */
  openStore(dataDir: string | undefined): Promise<Store>;
  save(input: SaveInput, observed: Observed): Promise<void>;
  load(input: LoadInput, observed: Observed): Promise<readonly MovedImage[]>;
  importRootfs(input: ImportInput, observed: Observed): Promise<MovedImage>;
  /** Works with a registry directly, with the sign-ins of this user. */
  withRegistry<T>(observed: Observed, work: (client: RegistryClient, context: RunContext) => Promise<T>): Promise<T>;
  login(input: LoginInput, observed: Observed): Promise<{ readonly storedIn: string }>;
  /** True when there was something to forget. */
  logout(registry: string): Promise<{ readonly removed: boolean; readonly storedIn: string }>;
}

export interface PullInput {
  /** As it is written. */
  readonly name: string;
  readonly platform: Platform | undefined;
  readonly dataDir: string | undefined;
}

export interface PushInput {
  readonly reference: Reference;
  readonly backend: BackendKind | undefined;
  readonly dataDir: string | undefined;
}

export interface SaveInput {
  /** Full references or digests, as resolved in the store. */
  readonly images: ReadonlyArray<{ readonly reference: string | undefined; readonly descriptor: Descriptor }>;
  readonly format: 'docker' | 'oci';
  readonly write: (bytes: AsyncIterable<Uint8Array>) => Promise<void>;
  readonly dataDir: string | undefined;
}

export interface LoadInput {
  readonly bytes: AsyncIterable<Uint8Array>;
  readonly dataDir: string | undefined;
}

export interface ImportInput {
  readonly bytes: AsyncIterable<Uint8Array>;
  readonly reference: Reference | undefined;
  /** `--change` texts: Dockerfile instructions that set the config. */
  readonly changes: readonly string[];
  readonly message: string | undefined;
  readonly platform: Platform | undefined;
  readonly dataDir: string | undefined;
}

export interface LoginInput {
  readonly registry: string;
  readonly credentials: Extract<Credentials, { kind: 'basic' }>;
}
