import { readFileSync } from 'node:fs';
import { BuildError } from '../../core/index.ts';
import type { StepRequest } from './types.ts';

/** Names as docker and `prlimit` have them, and the kernel's in /proc/self/limits. */
const LIMITS: Readonly<Record<string, { readonly kernelName: string }>> = {
  core: { kernelName: 'Max core file size' },
  cpu: { kernelName: 'Max cpu time' },
  data: { kernelName: 'Max data size' },
  fsize: { kernelName: 'Max file size' },
  locks: { kernelName: 'Max file locks' },
  memlock: { kernelName: 'Max locked memory' },
  msgqueue: { kernelName: 'Max msgqueue size' },
  nice: { kernelName: 'Max nice priority' },
  nofile: { kernelName: 'Max open files' },
  nproc: { kernelName: 'Max processes' },
  rss: { kernelName: 'Max resident set' },
  rtprio: { kernelName: 'Max realtime priority' },
  rttime: { kernelName: 'Max realtime timeout' },
  sigpending: { kernelName: 'Max pending signals' },
  stack: { kernelName: 'Max stack size' },
};

const CAP_SYS_RESOURCE = 24n;

/**
 * `prlimit` arguments for a step's limits. A limit above what the host allows this process becomes what it allows: hosts are
 * often narrower than a Dockerfile's author thought, and a lower limit rarely hurts.
 *
 * @throws BuildError `USAGE` for an unknown name.
 */
export function limitArguments(ulimits: StepRequest['ulimits']): readonly string[] {
  if (ulimits.length === 0) return [];
  const hardLimits = mayRaise() ? new Map<string, number>() : readHardLimits();
  return ulimits.map(({ name, soft, hard }) => {
    const limit = LIMITS[name];
    if (limit === undefined) {
      throw new BuildError('USAGE', `"${name}" is not a resource limit.`, {
        hint: `Limits are: ${Object.keys(LIMITS).join(', ')}.`,
      });
    }
    const ceiling = Math.min(
      hardLimits.get(limit.kernelName) ?? Infinity,
      name === 'nofile' ? openFilesCeiling() : Infinity,
    );
    return `--${name}=${format(Math.min(toNumber(soft), ceiling))}:${format(Math.min(toNumber(hard), ceiling))}`;
  });
}

/** docker writes "unlimited" as -1. */
function toNumber(limit: number): number {
  return limit < 0 ? Infinity : limit;
}

function format(limit: number): string {
  return limit === Infinity ? 'unlimited' : String(limit);
}

function readHardLimits(): ReadonlyMap<string, number> {
  const lines = readFileSync('/proc/self/limits', 'latin1').split('\n').slice(1);
  return new Map(
    lines.flatMap((line) => {
      const [, name, , hard] = /^(.*?)\s{2,}(\S+)\s+(\S+)/.exec(line) ?? [];
      return name === undefined || hard === undefined
        ? []
        : [[name, hard === 'unlimited' ? Infinity : Number(hard)] as const];
    }),
  );
}

function openFilesCeiling(): number {
  return Number(readFileSync('/proc/sys/fs/nr_open', 'latin1'));
}

/** In the first user namespace the capability counts; inside another one it does not, and then this process lacks it as well. */
function mayRaise(): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1] ?? '0';
  return ((BigInt(`0x${effective}`) >> CAP_SYS_RESOURCE) & 1n) === 1n;
}
