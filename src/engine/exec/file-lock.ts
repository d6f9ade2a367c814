import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { BuildError, throwIfCancelled } from '../../core/index.ts';
import { HOST_ENV } from './host-programs.ts';

/** A lock that is held until `release`, or until this process dies. */
export interface FileLock {
  release(): Promise<void>;
}

/** What is locked, and how. */
export interface FileLockOptions {
  readonly path: string;
  readonly mode: 'shared' | 'exclusive';
  /** False: give up at once when another holder is in the way. */
  readonly wait: boolean;
}

/**
 * Takes a kernel lock (flock(2)) on a file, across processes. Node has no such call, so a small process holds it, which ends
 * when its input does: a killed builder leaves no lock. Undefined when the lock is taken and `wait` is false.
 *
 * @throws BuildError `CANCELLED` while waiting.
 */
export async function acquireFileLock(options: FileLockOptions, signal: AbortSignal): Promise<FileLock | undefined> {
  throwIfCancelled(signal);
  const flags = [options.mode === 'shared' ? '-s' : '-x', ...(options.wait ? [] : ['-n'])];
  const child = spawn('flock', [...flags, options.path, '/bin/sh', '-c', 'echo; exec cat >/dev/null'], {
    env: HOST_ENV,
    cwd: '/',
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const ended = once(child, 'close');
  ended.catch(() => undefined);
  const stop = (): void => void child.kill('SIGKILL');
  signal.addEventListener('abort', stop, { once: true });
  try {
    const [first] = await Promise.race([once(child.stdout as Readable, 'data'), ended]);
    if (Buffer.isBuffer(first)) {
      return {
        release: async () => {
          (child.stdin as Writable).end();
          await ended;
        },
      };
    }
    throwIfCancelled(signal);
    if (options.wait) throw new BuildError('STORE_PERMISSION', `The lock ${options.path} cannot be taken.`);
    return undefined;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
