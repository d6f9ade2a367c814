import { execFile } from 'node:child_process';
import { closeSync, constants, openSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { HOST_ENV } from './host-programs.ts';

/** Both ends of one FIFO. */
export interface FifoEnds {
  readonly readEnd: number;
  readonly writeEnd: number;
}

/** The FIFOs of one running step: named pipes, because commands open /dev/stdout anew, which fails on the sockets that Node makes. */
export interface StepFifos {
  /** Carries the bootstrap script in. */
  readonly script: FifoEnds;
  readonly stdout: FifoEnds;
  readonly stderr: FifoEnds;
}

const NAMES = ['script', 'stdout', 'stderr'] as const;

/** Any USER of the step may open them through /proc/self/fd; from outside the directory is closed (0700). */
export async function makeFifos(directory: string): Promise<void> {
  const paths = NAMES.map((name) => join(directory, name));
  await promisify(execFile)('mkfifo', ['-m', '666', ...paths], { env: HOST_ENV, cwd: '/' });
}

export function openFifos(directory: string): StepFifos {
  const open = (name: (typeof NAMES)[number]): FifoEnds => {
    const path = join(directory, name);
    const readEnd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    return { readEnd, writeEnd: openSync(path, constants.O_WRONLY) };
  };
  return { script: open('script'), stdout: open('stdout'), stderr: open('stderr') };
}

export function closeEnds(...descriptors: readonly number[]): void {
  for (const descriptor of descriptors) closeSync(descriptor);
}
