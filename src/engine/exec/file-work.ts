import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, rmdirSync, rmSync, unlinkSync } from 'node:fs';
import { HOST_ENV } from './host-programs.ts';
import { fileWorkCommand, type WorkingKind } from './namespace.ts';
import { userNamespace } from './user-namespace.ts';

/**
 * Starts a program on files that belong to users of a step: as root directly, otherwise as root of the user namespace. It
 * reads or writes a pipe, or comes to its end by itself: nothing needs to end it when this process is killed.
 */
export async function startFileWork(
  kind: WorkingKind,
  command: readonly string[],
  options: { readonly signal?: AbortSignal } = {},
): Promise<ChildProcess> {
  const descriptors = kind === 'userns' ? [await userNamespace()] : [];
  const [program = '', ...args] = fileWorkCommand(kind, command);
  const stdio = ['pipe', 'pipe', 'pipe', ...descriptors] as const;
  return spawn(program, args, { env: HOST_ENV, cwd: '/', ...options, stdio: [...stdio], killSignal: 'SIGKILL' });
}

/** Runs such a program to its end; what it wrote to stderr is thrown when it fails. */
export async function runFileWork(
  kind: WorkingKind,
  command: readonly string[],
  options: { readonly signal?: AbortSignal } = {},
): Promise<void> {
  const child = await startFileWork(kind, command, options);
  const messages: Buffer[] = [];
  child.stdin?.on('error', () => undefined).end();
  child.stdout?.resume();
  child.stderr?.on('data', (bytes: Buffer) => messages.push(bytes));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`${command[0]} failed: ${Buffer.concat(messages).toString('utf8').trim()}`);
}

/** Removes overlay's working directory, which the kernel leaves with directories inside that nobody may enter. */
export function removeWorkDir(workDir: string): void {
  const [work, incompat, volatile] = ['work', 'work/incompat', 'work/incompat/volatile'].map(
    (name) => `${workDir}/${name}`,
  ) as [string, string, string];
  try {
    for (const directory of [work, incompat, volatile]) chmodSync(directory, 0o700);
    // What a plain mount leaves, by name: a walk costs three times as much.
    unlinkSync(`${volatile}/dirty`);
    for (const directory of [volatile, incompat, work, workDir]) rmdirSync(directory);
  } catch {
    // Never mounted, by another kernel, or with more in it.
    rmSync(workDir, { recursive: true, force: true });
  }
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
