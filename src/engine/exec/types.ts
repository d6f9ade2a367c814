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

/** A mount inside the step's root. Targets are already resolved: no component of them is a symlink. */
export type StepMount =
  | { readonly kind: 'bind'; readonly source: string; readonly target: BytePath; readonly readonly: boolean }
  /** `lowerDirs` lowest first; writable through a throw-away upper directory unless readonly. */
  | {
      readonly kind: 'overlay';
      readonly lowerDirs: readonly string[];
      /** Path inside the merged tree that is mounted. */
      readonly subPath: BytePath;
      readonly target: BytePath;
      readonly readonly: boolean;
    }
  | { readonly kind: 'tmpfs'; readonly target: BytePath; readonly sizeBytes?: number };

/** One command in one root file system. */
export interface StepRequest {
  /** Unpacked layers, lowest first. */
  readonly lowerDirs: readonly string[];
  /** Fresh directories on one file system; changes land in `upperDir`. */
  readonly upperDir: string;
  readonly workDir: string;
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly user: ProcessUser;
  readonly mounts: readonly StepMount[];
  readonly network: 'default' | 'none' | 'host';
  readonly security: 'sandbox' | 'insecure';
  readonly hostname: string;
  /** Content of /etc/hosts and /etc/resolv.conf, with the resolved paths at which they are mounted. */
  readonly files: ReadonlyArray<{ readonly target: BytePath; readonly text: string; readonly mode: number }>;
  readonly shmSizeBytes: number;
  readonly ulimits: ReadonlyArray<{ readonly name: string; readonly soft: number; readonly hard: number }>;
  /** Raw output as it comes. */
  readonly onOutput: (stream: 'stdout' | 'stderr', bytes: Uint8Array) => void;
}

/** How a command ended: `exitCode` is 128 + N after signal N. */
export interface StepExit {
  readonly exitCode: number;
  readonly signal?: string;
}

/** How RUN can work on this host, best first. `none` still builds everything without RUN. */
export type IsolationKind = 'root' | 'userns' | 'userns-single' | 'none';

/** What was found about this host, with the reason for every way that does not work. */
export interface HostProbe {
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
  run(request: StepRequest, context: RunContext): Promise<StepExit>;
}
