import type { Digest, SourceLocation } from '../core/index.ts';

/**
 * The closed set of operations. A vertex is one op with its inputs. `copy`, `mkdir` and `exec` add exactly one layer to
 * their base; `squash` puts one in the place of several; `merge` stacks one state's layers on another's; the other ops have
 * no inputs. Everything that decides the result stands in the op, fully expanded; names, progress and source ranges do not.
 */
export type Op = ImageOp | ScratchOp | LocalOp | HttpOp | GitOp | CopyOp | MkdirOp | ExecOp | SquashOp | MergeOp;

/** The layers of an image, by its resolved manifest: never a tag. */
export interface ImageOp {
  readonly kind: 'image';
  /** Full reference, by digest, from which missing layers can be fetched. */
  readonly reference: string;
  readonly manifest: Digest;
  readonly diffIds: readonly Digest[];
}

/** No layers. */
export interface ScratchOp {
  readonly kind: 'scratch';
}

/** A directory given with the request: the build context (`context`) or a named one. Its ignore rules are applied. */
export interface LocalOp {
  readonly kind: 'local';
  readonly name: string;
}

/** One file from an HTTP URL, named `fileName`, mode 0600, owner 0:0. */
export interface HttpOp {
  readonly kind: 'http';
  readonly url: string;
  readonly fileName: string;
  readonly checksum?: Digest;
}

/** A tree from a git repository. */
export interface GitOp {
  readonly kind: 'git';
  readonly url: string;
  /** Branch, tag or commit; absent: the remote's HEAD. */
  readonly ref?: string;
  readonly subdir?: string;
  readonly checksum?: string;
  readonly keepGitDir: boolean;
  readonly submodules: boolean;
}

/** Index into the inputs of a vertex. */
export type InputIndex = number;

/** `COPY` and `ADD`: one layer made from sources. Input `base` is absent for `--link`. */
export interface CopyOp {
  readonly kind: 'copy';
  readonly base?: InputIndex;
  readonly sources: readonly CopySource[];
  /** Absolute, with a trailing slash where the destination must be a directory. */
  readonly destination: string;
  /** Unresolved `user[:group]`; absent: 0:0 for context files, kept for files of a stage. */
  readonly chown?: string;
  /** Unresolved octal or symbolic mode. */
  readonly chmod?: string;
  readonly parents: boolean;
  readonly exclude: readonly string[];
  /** Whether an octal `chmod` may make directories that cannot be entered; absent: yes, with a warning. */
  readonly mustBeEnterable?: true;
}

export type CopySource =
  | {
      readonly kind: 'input';
      readonly input: InputIndex;
      /** Path or Go path pattern from the root of the input. */
      readonly path: string;
      /** `auto`: a file that is a tar archive (compressed or not) is unpacked. `always`: it must be one. */
      readonly unpack: 'never' | 'auto' | 'always';
      /** Local contexts: owner becomes 0:0 unless `chown` says otherwise. */
      readonly ownerless: boolean;
      /** Whether a pattern that matches nothing is an error (`--strict`); a plain path must be there anyway. */
      readonly mustMatch: boolean;
    }
  | { readonly kind: 'inline'; readonly fileName: string; readonly text: string };

/** `WORKDIR`: makes the directory and its missing parents, 0755, owned by `user`. */
export interface MkdirOp {
  readonly kind: 'mkdir';
  readonly base: InputIndex;
  /** Absolute. */
  readonly path: string;
  /** Unresolved `user[:group]` of the stage; absent: 0:0. */
  readonly user?: string;
}

/** `RUN`. */
export interface ExecOp {
  readonly kind: 'exec';
  readonly base: InputIndex;
  /** Program and arguments; never empty. A heredoc script to be run as a file is `script`, not an argument. */
  readonly args: readonly string[];
  /** Text of an executable file that is mounted at `SCRIPT_PATH` and run as the program. */
  readonly script?: string;
  /** `NAME=value`, in order; proxies are not here. */
  readonly env: readonly string[];
  /** Proxy variables: given to the command, outside the identity of the op. */
  readonly proxyEnv: readonly string[];
  /** Absolute. */
  readonly cwd: string;
  /** Unresolved `user[:group]`, resolved in the image when the command runs. */
  readonly user?: string;
  readonly mounts: readonly ExecMount[];
  readonly network: 'default' | 'none' | 'host';
  readonly security: 'sandbox' | 'insecure';
  readonly hostname: string;
  /** `name` decides the result, the address does not. */
  readonly extraHosts: ReadonlyArray<{ readonly name: string; readonly address: string }>;
  readonly shmSizeBytes?: number;
  readonly ulimits: ReadonlyArray<{ readonly name: string; readonly soft: number; readonly hard: number }>;
  /** `os/arch[/variant]` of the stage. */
  readonly platform: string;
  /** Absent where there are none. */
  readonly devices?: readonly ExecDevice[];
}

/** A device that the step asks for; where it is missing and not required, the step runs without it. */
export interface ExecDevice {
  /** `vendor/class=name`, `vendor/class`, `vendor/class=*` (CDI), or the path of a device node of the host. */
  readonly name: string;
  readonly required: boolean;
  /** Whether the request allows it; a device that is there, but not allowed, is an error. */
  readonly granted: boolean;
}

/** Where a heredoc script appears inside the step. */
export const SCRIPT_PATH = '/dev/pipes/EOF';

export type ExecMount =
  | {
      readonly kind: 'bind';
      readonly target: string;
      readonly input: InputIndex;
      readonly source: string;
      readonly readonly: boolean;
    }
  | {
      readonly kind: 'cache';
      readonly target: string;
      readonly id: string;
      readonly sharing: 'shared' | 'private' | 'locked';
      /** Seeds the cache when it is first made. */
      readonly input?: InputIndex;
      readonly source: string;
      readonly readonly: boolean;
      readonly mode: number;
      readonly uid: number;
      readonly gid: number;
    }
  | { readonly kind: 'tmpfs'; readonly target: string; readonly sizeBytes?: number }
  | {
      readonly kind: 'secret';
      readonly id: string;
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
      readonly target: string;
      readonly required: boolean;
      readonly mode: number;
      readonly uid: number;
      readonly gid: number;
    };

/** The lowest `keep` layers of the base, and one layer with what all above them add up to. */
export interface SquashOp {
  readonly kind: 'squash';
  readonly base: InputIndex;
  readonly keep: number;
}

/** The layers of input 0, then those of input 1 on top. */
export interface MergeOp {
  readonly kind: 'merge';
}

/** Identity of a vertex in its graph: the digest of its op and of its inputs' ids. */
export type VertexId = Digest;

export interface Vertex {
  readonly id: VertexId;
  readonly op: Op;
  readonly inputs: readonly VertexId[];
  readonly info: VertexDescription;
}

/** For people; outside the identity. */
export interface VertexDescription {
  /** Such as `[build 2/5] RUN make`. */
  readonly name: string;
  /** Name or index of the stage it stands in; absent for sources. */
  readonly stage?: string;
  /** `os/arch[/variant]` of the stage; absent for what is no step of one. */
  readonly platform?: string;
  readonly location?: SourceLocation;
  /** Parts of the instruction that an error may be about; default: the whole of it. */
  readonly parts?: readonly StepPart[];
  /** Names the same step across builds, so that a miss can be explained: file, stage and position. */
  readonly slot: string;
  /** Never taken from the cache (`--no-cache`, `--no-cache-filter`). */
  readonly ignoreCache: boolean;
}

/** A word of a step's instruction, with what it is expanded to. */
export interface StepPart {
  readonly kind: 'source' | 'destination' | 'owner' | 'mode' | 'mount' | 'device';
  /** A path, a `user:group`, the id or the source of a mount, the name of a device. */
  readonly text: string;
  readonly location: SourceLocation;
}

/** Frozen; `vertices` is in topological order, inputs first, each id once. */
export interface Graph {
  readonly vertices: readonly Vertex[];
}
