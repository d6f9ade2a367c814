export type { CacheLocation, CacheTarget } from '../cache/index.ts';
export type { CopiedImage, ImagePlace } from '../copy/index.ts';
export type { BackendDeps } from './backend-deps.ts';
export {
  type BakeEvent,
  type BakeOptions,
  type BakeRequest,
  type BakeResult,
  type BakeTargetRequest,
  bake,
  type TargetOutcome,
} from './bake.ts';
export { type BuildOptions, build, check, outline, plan, targets } from './build.ts';
export { type BuildInput, buildWith, type Others, planWith } from './build-with.ts';
export { type CopyInput, copyImage, type PlaceInput } from './copy-image.ts';
export { createBackend } from './create-backend.ts';
export type { BackendDecision, BackendReport, BackendStatus } from './describe-backends.ts';
export { type PullInput, type PushInput, pull, push, requireNative } from './images.ts';
export { describeBackends, knownCapabilities, selectionMatrix } from './lazy.ts';
export { lacksIsolation } from './native/open-executor.ts';
export { type Capabilities, FEATURES, type Feature } from './needs/features.ts';
export { type OpenedBackend, openBackend } from './open-backend.ts';
export { openImageStore, removeStoreTree } from './open-image-store.ts';
export { openRegistry } from './open-registry.ts';
export { configOfChanges } from './request/config-of-changes.ts';
export { type ContextEntry, type ListContextInput, listContext } from './request/list-context.ts';
export { loadRequest } from './request/load-request.ts';
export { withShortName } from './request/short-names.ts';
export {
  BACKEND_ALIASES,
  BACKEND_KINDS,
  type BackendKind,
  type ImageOs,
  parseBackendKind,
  parseImageOs,
} from './selection/kinds.ts';
export type { BackendChoice, Selection } from './selection/select-backend.ts';
export type { MatrixRow } from './selection/selection-matrix.ts';
export * from './types.ts';
export { type BackendUse, type UsedBackend, withBackend, withDeps } from './with-backend.ts';
