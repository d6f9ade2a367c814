import type { SourceLocation } from './location.ts';

/** What the caller can do about an error. Maps one to one to an exit code (`exitCodeOf`) and a gRPC status. */
export type ErrorKind =
  | 'usage'
  | 'input'
  | 'step'
  | 'not-found'
  | 'auth'
  | 'conflict'
  | 'unsupported'
  | 'environment'
  | 'unavailable'
  | 'corrupt'
  | 'cancelled'
  | 'internal';

interface ErrorSpec {
  readonly kind: ErrorKind;
  /** The same call may succeed later without any change by the caller. */
  readonly retryable?: true;
}

/** The closed table of error codes. A code is permanent: it is never renamed, and never changes its kind. */
export const ERROR_CODES = {
  USAGE: { kind: 'usage' },
  DOCKERFILE_NOT_FOUND: { kind: 'not-found' },
  DOCKERFILE_SYNTAX: { kind: 'input' },
  DOCKERFILE_EXPANSION: { kind: 'input' },
  DOCKERFILE_INVALID: { kind: 'input' },
  CHECK_FAILED: { kind: 'input' },
  IGNORE_FILE_SYNTAX: { kind: 'input' },
  STAGE_NOT_FOUND: { kind: 'not-found' },
  CONTEXT_NOT_FOUND: { kind: 'not-found' },
  CONTEXT_INVALID: { kind: 'input' },
  SOURCE_NOT_FOUND: { kind: 'not-found' },
  COPY_CONFLICT: { kind: 'input' },
  USER_NOT_FOUND: { kind: 'not-found' },
  SECRET_MISSING: { kind: 'input' },
  SSH_MISSING: { kind: 'input' },
  STEP_FAILED: { kind: 'step' },
  DOWNLOAD_FAILED: { kind: 'unavailable', retryable: true },
  CHECKSUM_MISMATCH: { kind: 'input' },
  GIT_FAILED: { kind: 'unavailable' },
  ARCHIVE_INVALID: { kind: 'input' },
  ARCHIVE_UNSAFE: { kind: 'input' },
  IMAGE_NOT_FOUND: { kind: 'not-found' },
  IMAGE_INVALID: { kind: 'input' },
  PLATFORM_NOT_FOUND: { kind: 'not-found' },
  SYMLINK_LOOP: { kind: 'input' },
  REFERENCE_INVALID: { kind: 'usage' },
  REGISTRY_UNAUTHORIZED: { kind: 'auth' },
  REGISTRY_DENIED: { kind: 'auth' },
  REGISTRY_UNAVAILABLE: { kind: 'unavailable', retryable: true },
  REGISTRY_RATE_LIMITED: { kind: 'unavailable', retryable: true },
  REGISTRY_PROTOCOL: { kind: 'unavailable' },
  REGISTRY_CONFIG_INVALID: { kind: 'usage' },
  CREDENTIALS_INVALID: { kind: 'auth' },
  BLOB_DIGEST_MISMATCH: { kind: 'corrupt' },
  BLOB_MISSING: { kind: 'corrupt' },
  STORE_CORRUPT: { kind: 'corrupt' },
  STORE_FOREIGN: { kind: 'environment' },
  STORE_VERSION: { kind: 'unsupported' },
  STORE_LOCKED: { kind: 'conflict', retryable: true },
  STORE_FULL: { kind: 'environment' },
  STORE_PERMISSION: { kind: 'environment' },
  OUTPUT_FAILED: { kind: 'environment' },
  UNSUPPORTED: { kind: 'unsupported' },
  BACKEND_UNAVAILABLE: { kind: 'environment' },
  BACKEND_FAILED: { kind: 'step' },
  BAKE_INVALID: { kind: 'input' },
  HOST_LACKS: { kind: 'environment' },
  NOT_ALLOWED: { kind: 'unsupported' },
  BUILD_NOT_FOUND: { kind: 'not-found' },
  EVENTS_LOST: { kind: 'not-found' },
  DAEMON_STOPPING: { kind: 'unavailable', retryable: true },
  DAEMON_BUSY: { kind: 'unavailable', retryable: true },
  CANCELLED: { kind: 'cancelled' },
  INTERNAL: { kind: 'internal' },
} as const satisfies Record<string, ErrorSpec>;

/** A permanent, machine-readable name of what went wrong. */
export type ErrorCode = keyof typeof ERROR_CODES;

/** Facts that travel with a code. Codes not listed carry no facts. */
export interface ErrorFacts {
  STEP_FAILED: {
    readonly vertex: string;
    /** Exit status 0 to 255; 128 + N when the command was ended by signal N. */
    readonly exitCode: number;
    readonly signal?: string;
    /** Last lines of the command's output, oldest first, without line ends. */
    readonly outputTail: readonly string[];
  };
  SOURCE_NOT_FOUND: {
    readonly path: string;
    /** The ignore rule that hides the path, when one does. */
    readonly ignoredBy?: { readonly fileName: string; readonly line: number; readonly pattern: string };
  };
  SECRET_MISSING: { readonly id: string };
  SSH_MISSING: { readonly id: string };
  REGISTRY_UNAUTHORIZED: { readonly registry: string; readonly credentialSource: string };
  BLOB_DIGEST_MISMATCH: { readonly expected: string; readonly actual: string };
}

type FactsOf<C extends ErrorCode> = C extends keyof ErrorFacts ? ErrorFacts[C] : undefined;

/** Everything about an error but its code and message. */
export interface BuildErrorOptions<C extends ErrorCode> {
  readonly facts?: FactsOf<C>;
  /** One or two sentences that say what to do. */
  readonly hint?: string | undefined;
  readonly location?: SourceLocation | undefined;
  readonly cause?: unknown;
}

const BRAND = Symbol.for('zlayer-builder.BuildError');

/**
 * The one error class of the library. The message says what could not be done, to what, because of what; secrets and user
 * info in URLs are redacted before it is formatted.
 */
export class BuildError<C extends ErrorCode = ErrorCode> extends Error {
  override readonly name = 'BuildError';
  readonly [BRAND] = true;
  readonly code: C;
  readonly facts: FactsOf<C> | undefined;
  readonly hint: string | undefined;
  readonly location: SourceLocation | undefined;

  constructor(code: C, message: string, options: BuildErrorOptions<C> = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.facts = options.facts;
    this.hint = options.hint;
    this.location = options.location;
  }

  get kind(): ErrorKind {
    return ERROR_CODES[this.code].kind;
  }
}

/** Recognises a `BuildError`, also one made by another copy of this package, optionally of one code. */
export function isBuildError<C extends ErrorCode = ErrorCode>(value: unknown, code?: C): value is BuildError<C> {
  return value instanceof Error && BRAND in value && (code === undefined || (value as BuildError).code === code);
}

const EXIT_CODES: Record<ErrorKind, number> = {
  usage: 2,
  input: 1,
  step: 1,
  'not-found': 1,
  conflict: 1,
  unsupported: 3,
  environment: 3,
  auth: 4,
  unavailable: 4,
  corrupt: 5,
  internal: 70,
  cancelled: 130,
};

/** The process exit status for an error kind (2 usage, 3 unsupported or environment, 4 registry, 5 corrupt, 130 cancelled). */
export function exitCodeOf(kind: ErrorKind): number {
  return EXIT_CODES[kind];
}

/** The same error with a source location, where it has none yet. */
export function withLocation(error: unknown, location: SourceLocation): unknown {
  if (!isBuildError(error) || error.location !== undefined) return error;
  return new BuildError(error.code, error.message, { ...error, facts: error.facts, location, cause: error.cause });
}

/** Turns anything thrown into a `BuildError`: aborts become `CANCELLED`, a full disk `STORE_FULL`, the rest `INTERNAL`. */
export function toBuildError(value: unknown): BuildError {
  if (isBuildError(value)) return value;
  const error = value instanceof Error ? value : new Error(String(value));
  const systemCode = (error as NodeJS.ErrnoException).code;
  if (error.name === 'AbortError' || systemCode === 'ABORT_ERR') {
    return new BuildError('CANCELLED', 'The operation was cancelled.', { cause: error });
  }
  if (systemCode === 'ENOSPC' || systemCode === 'EDQUOT') {
    return new BuildError('STORE_FULL', `No space is left for the write: ${error.message}`, {
      cause: error,
      hint: 'Free space with `zlayer prune`, or set ZLAYER_DATA_DIR to a larger disk.',
    });
  }
  return new BuildError('INTERNAL', error.message, { cause: error });
}
