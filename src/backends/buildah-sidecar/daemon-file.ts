import { randomUUID } from 'node:crypto';
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { isRunning, parseAddress, startOf } from '../../rpc/index.ts';

/** A daemon that was started for all processes of a user. */
export interface RunningDaemon {
  readonly address: string;
  readonly pid: number;
  /** When the process began: another one may have its number by now. */
  readonly start: string;
}

/** The daemon that the file tells of, if its process still runs. */
export function readRunningDaemon(path: string): RunningDaemon | undefined {
  const daemon = parse(path);
  return daemon !== undefined && isRunning(daemon.pid, daemon.start) ? daemon : undefined;
}

/** Written whole, and readable for the user alone: whoever could write it could choose the daemon. */
export function writeRunningDaemon(path: string, { address, pid }: { readonly address: string; readonly pid: number }) {
  const daemon: RunningDaemon = { address, pid, start: startOf(pid) ?? '0' };
  const temporary = `${path}.${randomUUID()}.tmp`;
  writeFileSync(temporary, `${JSON.stringify(daemon)}\n`, { mode: 0o600, flag: 'wx' });
  renameSync(temporary, path);
  return daemon;
}

export function removeRunningDaemon(path: string): void {
  rmSync(path, { force: true });
}

function parse(path: string): RunningDaemon | undefined {
  try {
    const { address, pid, start } = JSON.parse(readFileSync(path, 'utf8')) as Partial<RunningDaemon>;
    const isWhole = typeof address === 'string' && Number.isSafeInteger(pid) && typeof start === 'string';
    return isWhole && parseAddress(address) !== undefined ? { address, pid: pid!, start } : undefined;
  } catch {
    return undefined;
  }
}
