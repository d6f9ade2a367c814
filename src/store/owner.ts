import { readFileSync, readlinkSync } from 'node:fs';

/**
 * Who holds a lock, a lease or a temporary directory: a process that no later process can be mistaken for. As text
 * (`pid.start.namespace.boot`) it is a file name.
 */
export interface Owner {
  readonly pid: number;
  /** Start time of the process in clock ticks since boot, from /proc/<pid>/stat. */
  readonly start: string;
  /** Inode of the pid namespace in which `pid` means something. */
  readonly pidNamespace: string;
  readonly bootId: string;
}

/** `unknown`: a process of another pid namespace, whose only sign of life is its heartbeat. */
export type Liveness = 'alive' | 'dead' | 'unknown';

const UNKNOWN = '0';

/** The identity of this process. Costs about 0.1 ms; keep the result. */
export function readOwner(): Owner {
  return {
    pid: process.pid,
    start: readProcess(process.pid)?.start ?? UNKNOWN,
    pidNamespace: /\d+/.exec(readOr(() => readlinkSync('/proc/self/ns/pid')))?.[0] ?? UNKNOWN,
    bootId: readBootId(),
  };
}

/** 32 hexadecimal digits that differ after every boot of the host; `0` where the system does not tell. */
export function readBootId(): string {
  return readOr(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8')).replaceAll(/[^0-9a-f]/g, '') || UNKNOWN;
}

export function formatOwner(owner: Owner): string {
  return `${owner.pid}.${owner.start}.${owner.pidNamespace}.${owner.bootId}`;
}

/** Reads the owner at the start of a name; what follows a further dot is the name's own. */
export function parseOwner(name: string): Owner | undefined {
  const match = /^(\d+)\.(\d+)\.(\d+)\.([0-9a-f]+)(?:\.|$)/.exec(name);
  if (match === null) return undefined;
  const [, pid = '', start = '', pidNamespace = '', bootId = ''] = match;
  return { pid: Number(pid), start, pidNamespace, bootId };
}

/** Whether `owner` still runs, as seen from the process `self`. A zombie counts as dead: it holds nothing any more. */
export function livenessOf(owner: Owner, self: Owner): Liveness {
  if (owner.bootId !== self.bootId) return 'dead';
  if (owner.pidNamespace !== self.pidNamespace) return 'unknown';
  if (owner.pid === self.pid && owner.start === self.start) return 'alive';
  const found = readProcess(owner.pid);
  if (found === undefined) return owner.start === UNKNOWN && answersSignals(owner.pid) ? 'alive' : 'dead';
  return found.start === owner.start && !'ZX'.includes(found.state) ? 'alive' : 'dead';
}

/** The second field of /proc/<pid>/stat is the program's name in parentheses, and may hold spaces and parentheses. */
function readProcess(pid: number): { readonly state: string; readonly start: string } | undefined {
  const stat = readOr(() => readFileSync(`/proc/${pid}/stat`, 'latin1'));
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const state = fields[0];
  const start = fields[19];
  return state === undefined || start === undefined ? undefined : { state, start };
}

function answersSignals(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function readOr(read: () => string): string {
  try {
    return read();
  } catch {
    return '';
  }
}
