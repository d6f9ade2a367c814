/** The library's public face. */

export {
  type BuildBackend,
  type BuildOptions,
  type BuildPlan,
  type BuildRequest,
  type BuildResult,
  build,
  type CacheLocation,
  type CacheTarget,
  type CheckResult,
  type ContextInput,
  check,
  type DockerfileInput,
  type LayerReport,
  type OutputInput,
  outline,
  plan,
  pull,
  push,
  type SecretInput,
  type StepReport,
  targets,
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
export {
  type Dockerfile,
  type LintFinding,
  type Outline,
  parseDockerfile,
  type TargetInfo,
} from './dockerfile/index.ts';
export type { ImageConfig } from './oci/index.ts';
