import type { BytePath, RunContext } from '../../core/index.ts';

/** Numeric identity of a process. */
export interface ProcessUser {
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups. */
  readonly groups: readonly number[];
  /** Home directory from the image's passwd, `/` when there is none. */
  readonly home: string;
}

/** What lies at a mount's target: decides what kind of mount point is made where there is none. */
export type MountType = 'directory' | 'file';

/**
 * A mount inside the step's root. Targets are already resolved: no component of them is a symlink, except below another
 * mount, where they are resolved inside the step.
 */
export type StepMount =
  | {
      readonly kind: 'bind';
      readonly type: MountType;
      readonly source: string;
      readonly target: BytePath;
      readonly readonly: boolean;
    }
  /** `lowerDirs` lowest first; writable through a throw-away upper directory unless readonly. */
  | {
      readonly kind: 'overlay';
      readonly type: MountType;
      /** One where roots are copies. */
      readonly lowerDirs: readonly string[];
      /** Path inside the merged tree that is mounted. */
      readonly subPath: BytePath;
      readonly target: BytePath;
      readonly readonly: boolean;
    }
  | { readonly kind: 'tmpfs'; readonly target: BytePath; readonly sizeBytes?: number };

/** A small file that exists for one step only; it lies in memory and never touches a disk. */
export interface StepFile {
  readonly target: BytePath;
  readonly bytes: Uint8Array;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** False: the command may write to it, which is lost with the step. */
  readonly readonly: boolean;
}

/** One command in one root file system. */
export interface StepRequest {
  /** Unpacked layers, lowest first; at most 499. None where roots are copies. */
  readonly lowerDirs: readonly string[];
  /** Fresh directories on one file system; changes land in `upperDir`, which holds everything where roots are copies. */
  readonly upperDir: string;
  readonly workDir: string;
  /** Existing empty directory of this step, private to the user; what is left in it goes with it. */
  readonly scratchDir: string;
  readonly args: readonly string[];
  readonly env: readonly string[];
  /** Absolute; made (0755, 0:0) where it is missing. */
  readonly cwd: string;
  readonly user: ProcessUser;
  readonly mounts: readonly StepMount[];
  readonly network: 'default' | 'none' | 'host';
  readonly security: 'sandbox' | 'insecure';
  readonly hostname: string;
  /** `/etc/hosts`, `/etc/resolv.conf`, secrets, scripts. */
  readonly files: readonly StepFile[];
  readonly shmSizeBytes: number;
  /** Names as docker has them (`nofile`); what the host's hard limit forbids is lowered to it. */
  readonly ulimits: ReadonlyArray<{ readonly name: string; readonly soft: number; readonly hard: number }>;
  /** Raw output as it comes. */
  readonly onOutput: (stream: 'stdout' | 'stderr', bytes: Uint8Array) => void;
}

/**
 * How a command ended: `exitCode` is 128 + N after signal N, and `signal` is then its name. 125: the working directory
 * cannot be entered; 126: the program cannot be executed; 127: it does not exist.
 */
export interface StepExit {
  readonly exitCode: number;
  readonly signal?: string;
}

/** How a step ended. */
export interface StepResult extends StepExit {
  /** Mount points that were made among the changes of the step, and have been taken away again. */
  readonly madePaths: readonly BytePath[];
}

/** How RUN can work on this host, best first. `none` still builds everything without RUN. */
export type IsolationKind = 'root' | 'userns' | 'userns-single' | 'none';

/** What a step is made of, depending on what the kernel allows here. */
export interface StepMeans {
  /** The root of a step: its layers stacked by overlayfs, or, where the store's file system takes no overlay, a copy of them. */
  readonly roots: 'overlay' | 'copies';
  /** /proc of a step: one of its own, or, in a container that hides parts of /proc, that of the container. */
  readonly proc: 'own' | 'host';
}

/** What was found about this host, with the reason for every way that does not work. */
export interface HostProbe extends StepMeans {
  readonly kind: IsolationKind;
  readonly reasons: ReadonlyArray<{ readonly kind: IsolationKind; readonly reason: string; readonly hint?: string }>;
}

/** Runs commands in isolation. */
export interface Executor {
  readonly probe: HostProbe;
  /**
   * Runs to the end; when the signal aborts, or this process dies, the whole process tree dies with it.
   *
   * @throws BuildError `HOST_LACKS` when the isolation cannot be set up, `CANCELLED`.
   */
  run(request: StepRequest, context: RunContext): Promise<StepResult>;
}
