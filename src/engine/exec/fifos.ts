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
  return {
    script: openFifo(join(directory, 'script')),
    stdout: openFifo(join(directory, 'stdout')),
    stderr: openFifo(join(directory, 'stderr')),
  };
}

/** The read end that stays blocks, as a shell expects of its input. It can be opened only once somebody may write. */
function openFifo(path: string): FifoEnds {
  const first = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const writeEnd = openSync(path, constants.O_WRONLY);
    return { readEnd: openSync(path, constants.O_RDONLY), writeEnd };
  } finally {
    closeSync(first);
  }
}

export function closeEnds(...descriptors: readonly number[]): void {
  for (const descriptor of descriptors) closeSync(descriptor);
}
