import type { IsolationKind } from './types.ts';

/** Ways that really isolate; the others cannot run a step. */
export type WorkingKind = 'root' | 'userns';

/** Where the processes of a rootless step and those that work on its files get the descriptor of their user namespace. */
const ENTER_USER_NAMESPACE = ['nsenter', '--user=/proc/self/fd/3', '--'];

/** True for the ways by which a step can run. */
export function isWorkingKind(kind: IsolationKind): kind is WorkingKind {
  return kind === 'root' || kind === 'userns';
}

/**
 * The command line around a step's bootstrap, which comes as input; descriptor 3 is the user namespace. `setpriv` ties the
 * tree to this process, `--kill-child` ties it to `unshare`: whoever dies, the kernel ends everything in the PID namespace.
 */
export function stepCommand(kind: WorkingKind, options: { readonly privateNetwork: boolean }): readonly string[] {
  return [
    ...(kind === 'userns' ? ENTER_USER_NAMESPACE : []),
    ...['setpriv', '--pdeathsig', 'SIGKILL', '--', 'unshare'],
    ...['--mount', '--pid', '--ipc', '--uts', '--cgroup'],
    ...(options.privateNetwork ? ['--net'] : []),
    ...['--fork', '--kill-child=SIGKILL', '--propagation', 'private', '--', '/bin/sh', '-s'],
  ];
}

/**
 * The command line for work on files of a step from outside: as root it is the command itself, otherwise it runs as root of
 * the user namespace that owns the files, which is descriptor 3.
 */
export function fileWorkCommand(kind: WorkingKind, command: readonly string[]): readonly string[] {
  return kind === 'userns' ? [...ENTER_USER_NAMESPACE, ...command] : command;
}
