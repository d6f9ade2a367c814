import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { removeTree } from './file-work.ts';
import { missingForSteps, openStepBench, type StepBench } from './step-bench.fixture.ts';
import { findProcesses, processesLeft } from './step-processes.fixture.ts';

const missing = missingForSteps();

/** Starts a step, and kills itself: never, so many milliseconds later, or (`spawned`) as soon as the first process exists. */
const CHILD = `
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { createExecutor } from './create-executor.mjs';
import { quietContext, stepRequest } from './step-bench.fixture.mjs';
const [directory, busybox, script, moment] = process.argv.slice(2);
const makeTempDir = async (prefix) => mkdtempSync(join(directory, prefix + '-'));
const executor = await createExecutor({ stateDir: join(directory, 'state'), makeTempDir }, quietContext);
const request = stepRequest(await makeTempDir('step'), {
  lowerDirs: [busybox],
  args: ['/bin/sh', '-c', script],
  onOutput: (_, bytes) => void process.stdout.write(bytes),
});
const die = () => process.kill(process.pid, 'SIGKILL');
// A step watches its signal from the moment on that its first process was started.
const signal = new AbortController().signal;
if (moment === 'spawned') signal.addEventListener = die;
else if (moment !== undefined) setTimeout(die, Number(moment));
await executor.run(request, { ...quietContext, signal });
`;

describe.skipIf(missing !== undefined)('a builder that is killed', () => {
  let base: string;
  let bench: StepBench;
  beforeAll(async () => {
    bench = await openStepBench();
    base = realpathSync(mkdtempSync(join(tmpdir(), 'zlayer-killed-')));
    chmodSync(base, 0o700);
    await build({
      entryPoints: ['create-executor.ts', 'step-bench.fixture.ts'].map((name) => join(import.meta.dirname, name)),
      bundle: true,
      platform: 'node',
      format: 'esm',
      splitting: true,
      outdir: join(base, 'dist'),
      outExtension: { '.js': '.mjs' },
      logLevel: 'error',
    });
    writeFileSync(join(base, 'dist/child.mjs'), CHILD);
    mkdirSync(join(base, 'work'));
  });
  afterAll(async () => {
    await bench.close();
    await removeTree(base);
  });

  /** In a session of its own, so that whatever it leaves can be found. */
  const start = (script: string, ...moment: readonly string[]): ChildProcess =>
    spawn(process.execPath, [join(base, 'dist/child.mjs'), join(base, 'work'), bench.busybox, script, ...moment], {
      detached: true,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
  const placeOf = (child: ChildProcess): Parameters<typeof findProcesses>[0] => ({
    directory: join(base, 'work'),
    session: child.pid as number,
  });

  it('takes the whole step with it within a second, also what left the session, and leaves no mounts', async () => {
    const child = start('setsid sleep 6543 >/dev/null & su -c "sleep 6544" 2>/dev/null & echo up; sleep 6545');
    await once(child.stdout as Readable, 'data');
    expect(findProcesses(placeOf(child)).length).toBeGreaterThan(4);
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(await processesLeft(placeOf(child))).toEqual([]);
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(base);
  });
  it('leaves no process at whatever early moment it dies', async () => {
    const milliseconds = [0, 1, 2, 3, 5, 8, 11, 14, 18, 23, 30, 40].map(String);
    for (const moment of [...milliseconds, ...Array.from({ length: 6 }, () => 'spawned')]) {
      const child = start('sleep 6546', moment);
      child.stdout?.resume();
      const [, signal] = (await once(child, 'exit')) as [number | null, string | null];
      expect(signal).toBe('SIGKILL');
      expect(await processesLeft(placeOf(child)), `killed at ${moment}`).toEqual([]);
    }
    expect(readdirSync(join(base, 'work')).length).toBeGreaterThan(1);
  });
});
