import { execFile } from 'node:child_process';
import { chmodSync, rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { promisify } from 'node:util';
import { HOST_ENV } from './host-programs.ts';
import { fileWorkCommand, type WorkingKind } from './namespace.ts';

/**
 * Runs a program on files that belong to users of a step: as root directly, otherwise as root of the user namespace. Its
 * error, with what it wrote to stderr, is thrown as Node gives it.
 */
export async function runFileWork(
  kind: WorkingKind,
  command: readonly string[],
  options: { readonly signal?: AbortSignal } = {},
): Promise<void> {
  const [program = '', ...args] = fileWorkCommand(kind, command);
  await promisify(execFile)(program, args, { env: HOST_ENV, cwd: '/', ...options });
}

/** Removes overlay's working directory, which the kernel leaves with directories inside that nobody may enter. */
export async function removeWorkDir(workDir: string): Promise<void> {
  try {
    for (const name of ['work', 'work/incompat', 'work/incompat/volatile']) chmodSync(`${workDir}/${name}`, 0o700);
  } catch {
    // Never mounted, or by a kernel that leaves less.
  }
  await rm(workDir, { recursive: true, force: true });
}

/**
 * Removes a tree that may hold files of mapped users and directories that nobody may enter; for `StoreOptions.removeTree`.
 * What the caller may not remove itself is removed as root of its user namespace.
 */
export async function removeTree(path: string, signal?: AbortSignal): Promise<void> {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch (error) {
    if (process.getuid?.() === 0) throw error;
    await runFileWork('userns', ['rm', '-rf', '--', path], signal === undefined ? {} : { signal });
  }
}
