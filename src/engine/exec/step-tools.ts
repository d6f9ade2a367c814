import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { BuildError, isBuildError } from '../../core/index.ts';
import { findProgram } from './host-programs.ts';
import type { WorkingKind } from './namespace.ts';

/**
 * Programs that must still run after the step's root has replaced the host's: copies with their own loader and libraries,
 * so that nothing inside the image is needed or trusted.
 */
export interface StepTools {
  /** Directory with the programs. */
  readonly directory: string;
  /** Relative command that starts a program of the directory; empty for static programs. */
  readonly launcher: string;
  /** Copied into every step: `dev/` becomes its /dev, `files/` holds its one-off files. */
  readonly template: string;
}

const PROGRAMS = ['umount', 'setpriv', 'env', 'mount', 'mkdir', 'unshare'] as const;
const LOADER = 'ld.so';
/** Raised when what lies in the directory changes. */
const FORMAT = 3;

/** Devices every step has, as docker gives them. */
export const DEVICES = ['null', 'zero', 'full', 'random', 'urandom', 'tty'] as const;

/** Opens the tools below `stateDir`, making them the first time. `version` names the host programs' state. */
export function openStepTools(stateDir: string, kind: WorkingKind, version: string): StepTools {
  const root = join(stateDir, `tools${FORMAT}-${kind}-${version}`);
  if (!existsSync(root)) makeOnce(root, (directory) => fillTools(directory, kind));
  const directory = join(root, 'bin');
  return {
    directory,
    launcher: existsSync(join(directory, LOADER)) ? `./${LOADER} --library-path . ` : '',
    template: join(root, 'template'),
  };
}

/** Several processes may do this at once: each fills its own directory, the first rename wins. */
function makeOnce(target: string, fill: (directory: string) => void): void {
  mkdirSync(join(target, '..'), { recursive: true, mode: 0o700 });
  const temporary = mkdtempSync(`${target}.`);
  try {
    fill(temporary);
    renameSync(temporary, target);
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    if (!existsSync(target)) throw error;
  }
}

function fillTools(root: string, kind: WorkingKind): void {
  const bin = join(root, 'bin');
  mkdirSync(bin);
  for (const program of PROGRAMS) copyProgram(program, bin);
  // Every user of a step starts programs from here, whatever this process's umask is.
  chmodSync(bin, 0o755);
  const template = join(root, 'template');
  makeDevices(join(template, 'dev'), kind);
  mkdirSync(join(template, 'files'), { mode: 0o700 });
  chmodSync(template, 0o755);
}

function copyProgram(program: string, bin: string): void {
  const path = findProgram(program);
  if (path === undefined) throw new BuildError('HOST_LACKS', `The program ${program} is not installed.`);
  copyExecutable(path, join(bin, program));
  for (const { name, file } of librariesOf(path)) {
    const target = join(bin, name);
    if (!existsSync(target)) copyExecutable(file, target);
  }
}

function copyExecutable(from: string, to: string): void {
  copyFileSync(from, to);
  chmodSync(to, 0o755);
}

/** What `ldd` says: `name => /path (address)`, and the loader as a bare `/path (address)`. */
function librariesOf(path: string): ReadonlyArray<{ readonly name: string; readonly file: string }> {
  let text: string;
  try {
    text = execFileSync('ldd', [path], {
      encoding: 'utf8',
      env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' },
      stdio: 'pipe',
    });
  } catch (error) {
    if (isBuildError(error)) throw error;
    return [];
  }
  return text.split('\n').flatMap((line) => {
    const match = /^\s*(?:(\S+) => )?(\/\S+) \(/.exec(line);
    return match?.[2] === undefined ? [] : [{ name: match[1] ?? LOADER, file: match[2] }];
  });
}

function makeDevices(directory: string, kind: WorkingKind): void {
  mkdirSync(directory, { recursive: true });
  chmodSync(directory, 0o755);
  for (const name of ['pts', 'shm', 'mqueue']) mkdirSync(join(directory, name));
  // Device nodes can be made by real root only; elsewhere the host's are bound onto empty files.
  if (kind === 'root') {
    execFileSync('cp', ['-a', ...DEVICES.map((name) => `/dev/${name}`), directory], { stdio: 'pipe' });
  } else {
    for (const name of DEVICES) writeFileSync(join(directory, name), '');
  }
  for (const name of ['fd', ...['0', '1', '2'].map((n) => `fd/${n}`)]) {
    symlinkSync(`/proc/self/${name}`, join(directory, STREAM_NAMES[name] ?? name));
  }
  symlinkSync('pts/ptmx', join(directory, 'ptmx'));
  if (existsSync('/proc/kcore')) symlinkSync('/proc/kcore', join(directory, 'core'));
}

const STREAM_NAMES: Readonly<Record<string, string>> = { 'fd/0': 'stdin', 'fd/1': 'stdout', 'fd/2': 'stderr' };
