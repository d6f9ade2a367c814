import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** What one run of a program cost, with everything that it started. */
export interface Measurement {
  readonly wallSeconds: number;
  /** User and system time of the whole process tree. */
  readonly cpuSeconds: number;
  /** Largest sum of the tree's proportional memory (Pss) that was seen; pages that processes share count once. */
  readonly peakBytes: number;
  /** What came from the registry, where it was counted. */
  readonly fetchedBytes?: number;
}

const SAMPLE_MS = 15;
const LIMIT_MS = 600_000;

/** Runs a command to its end and measures it. A command that fails is an error: a failed run has no time. */
export function measure(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<Measurement> {
  // bash adds up the processor time of all descendants that were waited for.
  const timed = ['-c', 'TIMEFORMAT="@@ %U %S"; time "$@" >/dev/null', 'bash', ...argv];
  return new Promise((resolve, reject) => {
    const started = process.hrtime.bigint();
    const child = spawn('bash', timed, {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'ignore', 'pipe'],
      detached: true,
    });
    let peakBytes = 0;
    let stderr = '';
    const sampler = setInterval(() => {
      peakBytes = Math.max(peakBytes, child.pid === undefined ? 0 : memoryOfTree(child.pid));
    }, SAMPLE_MS);
    const limit = setTimeout(() => child.pid !== undefined && process.kill(-child.pid, 'SIGKILL'), LIMIT_MS);
    child.stderr.on('data', (bytes: Buffer) => {
      stderr += bytes.toString();
    });
    child.on('error', reject);
    child.on('close', (code) => {
      const wallSeconds = Number(process.hrtime.bigint() - started) / 1e9;
      clearInterval(sampler);
      clearTimeout(limit);
      const times = /@@ ([\d.]+) ([\d.]+)\s*$/.exec(stderr);
      if (code !== 0 || times === null)
        reject(new Error(`${argv.join(' ')} failed (${code}):\n${stderr.slice(-2000)}`));
      else resolve({ wallSeconds, cpuSeconds: Number(times[1]) + Number(times[2]), peakBytes });
    });
  });
}

/** The middle of some measurements, each figure by itself. */
export function median(measurements: readonly Measurement[]): Measurement {
  const middle = (values: readonly number[]): number =>
    [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
  const fetched = measurements.flatMap(({ fetchedBytes }) => (fetchedBytes === undefined ? [] : [fetchedBytes]));
  return {
    wallSeconds: middle(measurements.map((each) => each.wallSeconds)),
    cpuSeconds: middle(measurements.map((each) => each.cpuSeconds)),
    peakBytes: middle(measurements.map((each) => each.peakBytes)),
    ...(fetched.length === 0 ? {} : { fetchedBytes: middle(fetched) }),
  };
}

/** The measuring bash itself is left out. */
function memoryOfTree(root: number): number {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const stat = readQuietly(`/proc/${name}/stat`);
    const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
    children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const sum = (pid: number): number =>
    memoryOf(pid) + (children.get(pid) ?? []).reduce((total, child) => total + sum(child), 0);
  return (children.get(root) ?? []).reduce((total, child) => total + sum(child), 0);
}

function memoryOf(pid: number): number {
  const kilobytes = /^Pss:\s+(\d+) kB/m.exec(readQuietly(`/proc/${pid}/smaps_rollup`))?.[1];
  return Number(kilobytes ?? 0) * 1024;
}

function readQuietly(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
