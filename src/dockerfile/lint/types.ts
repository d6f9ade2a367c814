import type { Platform, SourceLocation } from '../../core/index.ts';
import type { IgnoreMatcher } from '../ignore/ignore-matcher.ts';

/** What is known beyond the Dockerfile. All of it is optional: a rule that needs what is not known stays silent. */
export interface LintOptions {
  readonly buildArgs?: Readonly<Record<string, string>>;
  /** Values of `TARGETPLATFORM`, `BUILDPLATFORM` and so on; default: those of linux/amd64. */
  readonly platformArgs?: Readonly<Record<string, string>>;
  /** The ignore rules of the context. */
  readonly ignore?: IgnoreMatcher;
  /** Ids of the secrets that are given with the build. */
  readonly secrets?: readonly string[];
  /** Whether a name stands for a context of the request (`--build-context`), not for an image. */
  readonly isContext?: (name: string) => boolean;
  /** Names of the variables that an image sets; undefined: not known. */
  readonly variablesOfImage?: (image: string) => readonly string[] | undefined;
  /** The platform of an image and the one that was asked for; undefined: not known. */
  readonly platformOfImage?: (image: string) => { readonly actual: Platform; readonly wanted: Platform } | undefined;
  /** Only the steps that this stage (name or index) needs are looked at, as a build does; absent: all stages. */
  readonly target?: string;
}

/** Something that a check found. */
export interface LintFinding {
  readonly rule: string;
  /** What is wrong, for people: one sentence. */
  readonly message: string;
  readonly hint?: string;
  /** Path of the rule's page in the project's documentation. */
  readonly page: string;
  /** `advice` is for our own rules: it never makes `check=error=true` fail. */
  readonly severity: 'warning' | 'advice';
  /** Absent for findings about the request, not the file. */
  readonly location?: SourceLocation;
  /** Another place that is to blame: the rule of the ignore file. */
  readonly related?: SourceLocation;
}

export interface LintResult {
  /** By line, then by message. */
  readonly findings: readonly LintFinding[];
  /** Rules that make the build fail: those of the warnings, when the file asks for it (`check=error=true`). */
  readonly violations: readonly string[];
}
