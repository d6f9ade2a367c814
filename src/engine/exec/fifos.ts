import { execFile } from 'node:child_process';
import { closeSync, constants, openSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** Both ends of one FIFO. */
export interface FifoEnds {
  readonly readEnd: number;
  readonly writeEnd: number;
}

/** The FIFOs of one running step. */
export interface StepFifos {
  /** Carries the bootstrap script in. */
  readonly script: FifoEnds;
  readonly stdout: FifoEnds;
  readonly stderr: FifoEnds;
  /** Gives the names back for another step; every end must be closed by then. */
  readonly release: () => void;
}

/** Hands out FIFOs: named pipes, because commands open /dev/stdout anew, which fails on the sockets that Node makes. */
export interface FifoPool {
  acquire(): Promise<StepFifos>;
  close(): Promise<void>;
}

const NAMES = ['script', 'stdout', 'stderr'] as const;

/** A pool below `parent`. A step that ended leaves its names for the next one, so mkfifo runs once per parallel step. */
export function createFifoPool(parent: string): FifoPool {
  const free: string[] = [];
  const made: string[] = [];
  return {
    acquire: async () => {
      const directory = free.pop() ?? (await makeFifos(parent, made));
      return openFifos(directory, () => free.push(directory));
    },
    close: async () => {
      await Promise.all(made.splice(0).map((directory) => rm(directory, { recursive: true, force: true })));
    },
  };
}

async function makeFifos(parent: string, made: string[]): Promise<string> {
  const directory = await mkdtemp(join(parent, 'fifo-'));
  made.push(directory);
  // Any USER of the step may open them through /proc/self/fd; from outside the directory is closed (0700).
  await promisify(execFile)('mkfifo', ['-m', '666', ...NAMES.map((name) => join(directory, name))]);
  return directory;
}

function openFifos(directory: string, release: () => void): StepFifos {
  const open = (name: (typeof NAMES)[number]): FifoEnds => {
    const path = join(directory, name);
    const readEnd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    return { readEnd, writeEnd: openSync(path, constants.O_WRONLY) };
  };
  return { script: open('script'), stdout: open('stdout'), stderr: open('stderr'), release };
}

export function closeEnds(...descriptors: readonly number[]): void {
  for (const descriptor of descriptors) closeSync(descriptor);
}
