/** The library's public face. */

export {
  type BuildBackend,
  type BuildOptions,
  type BuildPlan,
  type BuildRequest,
  type BuildResult,
  build,
  type ContextInput,
  type DockerfileInput,
  type LayerReport,
  type OutputInput,
  plan,
  pull,
  push,
  type SecretInput,
  type StepReport,
} from './backends/index.ts';
export {
  BuildError,
  type BuildEvent,
  type CacheChange,
  type CacheVerdict,
  type Digest,
  type ErrorCode,
  type ErrorKind,
  exitCodeOf,
  isBuildError,
  type Platform,
  parseReference,
  type Reference,
  type VertexInfo,
} from './core/index.ts';
export { type Dockerfile, parseDockerfile } from './dockerfile/index.ts';
export type { ImageConfig } from './oci/index.ts';
