import type { SourceRange } from '../core/index.ts';

/** A parsed Dockerfile. Texts are as written: no variable is expanded, no name is resolved. */
export interface Dockerfile {
  readonly fileName: string;
  /** The whole text, BOM removed; ranges point into it. */
  readonly text: string;
  readonly directives: Directives;
  /** `ARG` instructions before the first `FROM`. */
  readonly globalArgs: readonly ArgInstruction[];
  /** At least one. */
  readonly stages: readonly Stage[];
  readonly warnings: readonly ParseWarning[];
}

/** Parser directives at the top of the file. */
export interface Directives {
  readonly syntax?: Directive;
  readonly check?: Directive;
  readonly escape: '\\' | '`';
}

export interface Directive {
  readonly value: string;
  readonly range: SourceRange;
}

/** Something suspicious that the reference accepts. `rule` is the reference's name of the build check. */
export interface ParseWarning {
  readonly rule: string;
  readonly message: string;
  readonly range: SourceRange;
}

/** One `FROM` with everything below it. */
export interface Stage {
  /** 0-based position among the stages. */
  readonly index: number;
  /** From `AS name`, lower case. */
  readonly name?: string;
  readonly from: FromInstruction;
  readonly instructions: readonly Instruction[];
}

/** A word of an instruction with its place, so that an error or a finding can point at it. */
export interface SourceWord {
  readonly role: 'keyword' | 'flag' | 'argument';
  /** Flags without quotes and escapes; arguments as written; the strings of a JSON form decoded; a shell form whole. */
  readonly text: string;
  readonly range: SourceRange;
}

export interface InstructionBase {
  /** The whole instruction with its flags, continuations and heredocs. */
  readonly range: SourceRange;
  /** The instruction as one logical line (continuations joined, comments dropped), without heredoc bodies. */
  readonly text: string;
  /** The keyword, then the flags, then the arguments, in order. See `rangeOfFlag` and `rangeOfArgument`. */
  readonly words: readonly SourceWord[];
  /** The comment lines directly above, without `#`, for `outline`, `targets` and inline `check=skip=…`. */
  readonly docComment?: readonly string[];
}

/** A heredoc: `<<EOF`, `<<-EOF`, `<<"EOF"`. */
export interface Heredoc {
  /** The delimiter word without quotes; a COPY heredoc's file name. */
  readonly name: string;
  /** The body as the instruction gets it: tabs stripped for `<<-`, nothing expanded, with its final newline. */
  readonly body: string;
  /** The body as written, tabs included: what a shell gets when the heredoc stands beside other words. */
  readonly rawBody: string;
  /** False when any part of the delimiter was quoted: the body is literal. */
  readonly expand: boolean;
  /** `<<-`: leading tabs are stripped. */
  readonly chomp: boolean;
  /** File descriptor prefix; 0 when there is none. */
  readonly fd: number;
}

/** A command: text for the shell, or words (the JSON form). */
export type CommandForm =
  | { readonly kind: 'shell'; readonly script: string }
  | { readonly kind: 'exec'; readonly args: readonly string[] };

export interface FromInstruction extends InstructionBase {
  readonly kind: 'from';
  readonly image: string;
  /** The stage name as written. */
  readonly as?: string;
  readonly platform?: string;
}

export interface ArgInstruction extends InstructionBase {
  readonly kind: 'arg';
  readonly args: ReadonlyArray<{ readonly name: string; readonly value?: string }>;
}

/** `legacy` marks the form `ENV name value`. */
export interface KeyValuePair {
  readonly key: string;
  readonly value: string;
  readonly legacy: boolean;
}

export interface EnvInstruction extends InstructionBase {
  readonly kind: 'env';
  readonly pairs: readonly KeyValuePair[];
}

export interface LabelInstruction extends InstructionBase {
  readonly kind: 'label';
  readonly pairs: readonly KeyValuePair[];
}

interface CopyFields extends InstructionBase {
  /** Sources in order; a heredoc source is the object itself. */
  readonly sources: ReadonlyArray<string | Heredoc>;
  readonly destination: string;
  readonly chown?: string;
  readonly chmod?: string;
  readonly link: boolean;
  readonly parents: boolean;
  readonly exclude: readonly string[];
}

export interface CopyInstruction extends CopyFields {
  readonly kind: 'copy';
  readonly from?: string;
}

export interface AddInstruction extends CopyFields {
  readonly kind: 'add';
  readonly checksum?: string;
  /** Undefined when the flag is not given: the default depends on the source. */
  readonly keepGitDir?: boolean;
  readonly unpack?: boolean;
}

export interface RunInstruction extends InstructionBase {
  readonly kind: 'run';
  readonly form: CommandForm;
  readonly heredocs: readonly Heredoc[];
  /** Values of `--mount`, unexpanded; `parseMount` reads one after expansion. */
  readonly mounts: readonly string[];
  readonly network?: string;
  readonly security?: string;
  readonly devices: readonly string[];
}

export interface CmdInstruction extends InstructionBase {
  readonly kind: 'cmd';
  readonly form: CommandForm;
}

export interface EntrypointInstruction extends InstructionBase {
  readonly kind: 'entrypoint';
  readonly form: CommandForm;
}

export interface ExposeInstruction extends InstructionBase {
  readonly kind: 'expose';
  /** Words as written, such as `80`, `53/udp`, `3000-3002`, `$PORT`. */
  readonly ports: readonly string[];
}

export interface VolumeInstruction extends InstructionBase {
  readonly kind: 'volume';
  readonly paths: readonly string[];
}

export interface UserInstruction extends InstructionBase {
  readonly kind: 'user';
  readonly user: string;
}

export interface WorkdirInstruction extends InstructionBase {
  readonly kind: 'workdir';
  readonly path: string;
}

export interface StopsignalInstruction extends InstructionBase {
  readonly kind: 'stopsignal';
  readonly signal: string;
}

export interface ShellInstruction extends InstructionBase {
  readonly kind: 'shell';
  readonly args: readonly string[];
}

/** Durations in nanoseconds; absent or 0 means inherit. */
export interface HealthcheckInstruction extends InstructionBase {
  readonly kind: 'healthcheck';
  /** Undefined for `HEALTHCHECK NONE`. */
  readonly form?: CommandForm;
  readonly intervalNs?: number;
  readonly timeoutNs?: number;
  readonly startPeriodNs?: number;
  readonly startIntervalNs?: number;
  readonly retries?: number;
}

export interface OnbuildInstruction extends InstructionBase {
  readonly kind: 'onbuild';
  /** The trigger as text, heredoc bodies included, as the image config keeps it. */
  readonly trigger: string;
}

export interface MaintainerInstruction extends InstructionBase {
  readonly kind: 'maintainer';
  readonly name: string;
}

/** Everything that may stand in a stage below its `FROM`. */
export type Instruction =
  | AddInstruction
  | ArgInstruction
  | CmdInstruction
  | CopyInstruction
  | EntrypointInstruction
  | EnvInstruction
  | ExposeInstruction
  | HealthcheckInstruction
  | LabelInstruction
  | MaintainerInstruction
  | OnbuildInstruction
  | RunInstruction
  | ShellInstruction
  | StopsignalInstruction
  | UserInstruction
  | VolumeInstruction
  | WorkdirInstruction;

/** One `--mount` after expansion. Sizes in bytes, modes as permission bits. Defaults are already applied. */
export type Mount =
  | {
      readonly kind: 'bind';
      /** Relative targets are joined to the working directory by the caller. */
      readonly target: string;
      readonly source: string;
      /** A stage, an image or a named context; absent: the build context. */
      readonly from?: string;
      readonly readonly: boolean;
    }
  | {
      readonly kind: 'cache';
      readonly target: string;
      /** Defaults to the cleaned target. */
      readonly id: string;
      readonly sharing: 'shared' | 'private' | 'locked';
      readonly source: string;
      readonly from?: string;
      readonly readonly: boolean;
      readonly mode: number;
      readonly uid: number;
      readonly gid: number;
    }
  | { readonly kind: 'tmpfs'; readonly target: string; readonly sizeBytes?: number }
  | {
      readonly kind: 'secret';
      readonly id: string;
      /** Absent when only `env` is given. */
      readonly target?: string;
      readonly env?: string;
      readonly required: boolean;
      readonly mode: number;
      readonly uid: number;
      readonly gid: number;
    }
  | {
      readonly kind: 'ssh';
      readonly id: string;
      /** Absent: `/run/buildkit/ssh_agent.N`. */
      readonly target?: string;
      readonly required: boolean;
      readonly mode: number;
      readonly uid: number;
      readonly gid: number;
    };
