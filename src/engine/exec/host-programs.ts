import { accessSync, constants } from 'node:fs';

const SEARCH_PATH = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/** The fixed search path for host programs: what the caller's PATH holds is not trusted with root's rights. */
export const HOST_PATH = SEARCH_PATH.join(':');

/** The environment of host programs: nothing of the caller's decides what they do. */
export const HOST_ENV = { PATH: HOST_PATH, LC_ALL: 'C' } as const;

/** Debian's package for each program that running a step needs. */
const PACKAGES = {
  setpriv: 'util-linux',
  unshare: 'util-linux',
  nsenter: 'util-linux',
  mount: 'mount',
  umount: 'mount',
  pivot_root: 'util-linux',
  prlimit: 'util-linux',
  flock: 'util-linux',
  sh: 'dash',
  env: 'coreutils',
  cp: 'coreutils',
  mkdir: 'coreutils',
  mkfifo: 'coreutils',
  rm: 'coreutils',
  rmdir: 'coreutils',
  touch: 'coreutils',
  hostname: 'hostname',
  tar: 'tar',
  ldd: 'libc-bin',
} as const;

/** A program of the host that running a step needs. */
export type HostProgram = keyof typeof PACKAGES;

/** Absolute path of a program of the host; undefined where there is none. */
export function findProgram(name: string): string | undefined {
  return SEARCH_PATH.map((directory) => `${directory}/${name}`).find(isExecutable);
}

/** Programs that are missing here, with the packages that have them. */
export function missingPrograms(): ReadonlyArray<{ readonly program: string; readonly packageName: string }> {
  return Object.entries(PACKAGES)
    .filter(([program]) => findProgram(program) === undefined)
    .map(([program, packageName]) => ({ program, packageName }));
}

/** All programs whose change may change what works on this host. */
export function relevantPrograms(): readonly string[] {
  return [...Object.keys(PACKAGES), 'newuidmap', 'newgidmap'].map((name) => findProgram(name) ?? name);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
