import { readdirSync, readFileSync } from 'node:fs';

/** A process, by what `/proc` tells. */
interface ProcessInfo {
  readonly pid: number;
  readonly parent: number;
}

/** The processes below one, nearest first. Empty where there is no `/proc`. */
export function descendantsOf(pid: number): readonly number[] {
  const children = new Map<number, number[]>();
  for (const { pid: child, parent } of listProcesses()) {
    children.set(parent, [...(children.get(parent) ?? []), child]);
  }
  const found: number[] = [];
  for (let at = 0, queue = [pid]; at < queue.length; at += 1) {
    const below = children.get(queue[at]!) ?? [];
    queue = [...queue, ...below];
    found.push(...below);
  }
  return found;
}

function listProcesses(): readonly ProcessInfo[] {
  let names: readonly string[];
  try {
    names = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  } catch {
    return [];
  }
  return names.flatMap((name) => {
    try {
      // The name of the program stands in parentheses, and may hold any character.
      const fields = readFileSync(`/proc/${name}/stat`, 'latin1')
        .replace(/^.*\) /s, '')
        .split(' ');
      return [{ pid: Number(name), parent: Number(fields[1]) }];
    } catch {
      return [];
    }
  });
}

/** Whether a process is buildah itself, in one of the roles in which it starts itself again. */
export function isBuildahProcess(pid: number): boolean {
  try {
    const [program = ''] = readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0');
    return /^(buildah|exe$|storage-|unshare$)/.test(program.replace(/^.*\//, ''));
  } catch {
    return false;
  }
}
