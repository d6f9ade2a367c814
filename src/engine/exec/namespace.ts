import type { IsolationKind } from './types.ts';

/** Ways that really isolate; the others cannot run a step. */
export type WorkingKind = 'root' | 'userns';

const USER_NAMESPACE = ['--user', '--map-root-user', '--map-auto'];

/** True for the ways by which a step can run. */
export function isWorkingKind(kind: IsolationKind): kind is WorkingKind {
  return kind === 'root' || kind === 'userns';
}

/**
 * The command line around a step's bootstrap, which comes from descriptor 3. The outer `setpriv` ties the tree to this
 * process, `--kill-child` ties it to `unshare`: whoever dies, the kernel ends everything in the PID namespace.
 */
export function stepCommand(kind: WorkingKind, options: { readonly privateNetwork: boolean }): readonly string[] {
  return [
    ...['setpriv', '--pdeathsig', 'SIGKILL', '--', 'unshare'],
    ...(kind === 'userns' ? USER_NAMESPACE : []),
    ...['--mount', '--pid', '--ipc', '--uts', '--cgroup'],
    ...(options.privateNetwork ? ['--net'] : []),
    ...['--fork', '--kill-child=SIGKILL', '--propagation', 'private', '--', '/bin/sh', '/proc/self/fd/3'],
  ];
}

/**
 * The command line for work on files of a step from outside: as root it is the command itself, otherwise it runs as root of
 * the user namespace that owns the files.
 */
export function fileWorkCommand(kind: WorkingKind, command: readonly string[]): readonly string[] {
  const inside = kind === 'userns' ? ['unshare', ...USER_NAMESPACE, '--', ...command] : command;
  return ['setpriv', '--pdeathsig', 'SIGKILL', '--', ...inside];
}
