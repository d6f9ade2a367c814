import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunContext } from '../../core/index.ts';
import { createExecutor } from './create-executor.ts';
import { removeTree } from './file-work.ts';
import type { Executor, StepExit, StepRequest } from './types.ts';

/** A place for tests that run steps: an executor of this host, and a small root of busybox. */
export interface StepBench {
  readonly directory: string;
  readonly executor: Executor;
  /** One layer: /bin with busybox, /etc/passwd is absent. */
  readonly busybox: string;
  run(args: readonly string[], options?: Partial<StepRequest>): Promise<BenchResult>;
  sh(script: string, options?: Partial<StepRequest>): Promise<BenchResult>;
  makeTempDir(prefix: string): Promise<string>;
  close(): Promise<void>;
}

export interface BenchResult {
  readonly exit: StepExit;
  readonly stdout: string;
  readonly stderr: string;
  readonly upperDir: string;
}

export const quietContext: RunContext = { signal: new AbortController().signal, emit: () => undefined };

const BUSYBOX = ['/bin/busybox', '/usr/bin/busybox'].find((path) => existsSync(path));

/** Why steps cannot be tested here; undefined when they can. */
export function missingForSteps(): string | undefined {
  return BUSYBOX === undefined ? 'busybox-static is not installed' : undefined;
}

export async function openStepBench(): Promise<StepBench> {
  const directory = mkdtempSync(join(tmpdir(), 'zlayer-steps-'));
  chmodSync(directory, 0o700);
  const makeTempDir = (prefix: string): Promise<string> => Promise.resolve(mkdtempSync(join(directory, `${prefix}-`)));
  const executor = await createExecutor({ stateDir: join(directory, 'state'), makeTempDir }, quietContext);
  const busybox = join(directory, 'busybox');
  makeBusyboxRoot(busybox);
  const bench: StepBench = {
    directory,
    executor,
    busybox,
    makeTempDir,
    run: async (args, options = {}) => {
      const home = await makeTempDir('step');
      const output = { stdout: '', stderr: '' };
      const request = stepRequest(home, { lowerDirs: [busybox], ...options, args });
      const exit = await executor.run(
        {
          ...request,
          onOutput: (stream, bytes) => {
            output[stream] += Buffer.from(bytes).toString('latin1');
            options.onOutput?.(stream, bytes);
          },
        },
        quietContext,
      );
      return { exit, ...output, upperDir: request.upperDir };
    },
    sh: (script, options) => bench.run(['/bin/sh', '-c', script], options),
    close: () => removeTree(directory),
  };
  return bench;
}

function makeBusyboxRoot(directory: string): void {
  mkdirSync(join(directory, 'bin'), { recursive: true });
  mkdirSync(join(directory, 'tmp'));
  chmodSync(join(directory, 'tmp'), 0o1777);
  copyFileSync(BUSYBOX ?? '/bin/busybox', join(directory, 'bin/busybox'));
  chmodSync(join(directory, 'bin/busybox'), 0o755);
  const names =
    'sh ls cat echo id env mount umount ps kill sleep touch mkdir rm rmdir ln stat chown chmod find hostname ip ';
  for (const name of `${names}true false setsid readlink head wc od grep mknod dd test mv cp ulimit sysctl su seq`.split(
    ' ',
  )) {
    symlinkSync('busybox', join(directory, 'bin', name));
  }
}

/** A request with everything that a plain RUN has; directories are made below `home`. */
export function stepRequest(home: string, options: Partial<StepRequest>): StepRequest {
  for (const name of ['upper', 'work', 'scratch']) mkdirSync(join(home, name));
  return {
    lowerDirs: [],
    upperDir: join(home, 'upper'),
    workDir: join(home, 'work'),
    scratchDir: join(home, 'scratch'),
    args: ['/bin/true'],
    env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
    cwd: '/',
    user: { uid: 0, gid: 0, groups: [], home: '/root' },
    mounts: [],
    network: 'default',
    security: 'sandbox',
    hostname: 'buildkitsandbox',
    files: [],
    shmSizeBytes: 64 * 2 ** 20,
    ulimits: [],
    onOutput: () => undefined,
    ...options,
  };
}
