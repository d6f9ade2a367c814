import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** A process, with its pid in each of its namespaces, outermost first. */
export interface FoundProcess {
  readonly pid: number;
  readonly namespacePids: readonly number[];
}

/** Processes that hold a file below `directory`, as all of a step hold its FIFOs, or belong to the session. */
export function findProcesses(where: {
  readonly directory: string;
  readonly session?: number;
}): readonly FoundProcess[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => holds(pid, where.directory) || (where.session !== undefined && sessionOf(pid) === where.session))
    .map((pid) => ({ pid, namespacePids: namespacePids(pid) }));
}

/** Waits for at most a second until none is left; gives those that are. */
export async function processesLeft(where: Parameters<typeof findProcesses>[0]): Promise<readonly FoundProcess[]> {
  const deadline = performance.now() + 1000;
  for (;;) {
    const found = findProcesses(where);
    if (found.length === 0 || performance.now() > deadline) return found;
    await new Promise(setImmediate);
  }
}

function holds(pid: number, directory: string): boolean {
  return attempt(() => readdirSync(`/proc/${pid}/fd`), []).some((descriptor) =>
    attempt(() => readlinkSync(`/proc/${pid}/fd/${descriptor}`), '').startsWith(`${directory}/`),
  );
}

function sessionOf(pid: number): number {
  const stat = attempt(() => readFileSync(`/proc/${pid}/stat`, 'latin1'), '');
  const [state, , , session] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return state === 'Z' ? -1 : Number(session);
}

function namespacePids(pid: number): readonly number[] {
  const status = attempt(() => readFileSync(`/proc/${pid}/status`, 'latin1'), '');
  return (/^NSpid:\s*(.*)$/m.exec(status)?.[1] ?? '').split('\t').map(Number);
}

/** Processes end while they are looked at. */
function attempt<T>(look: () => T, otherwise: T): T {
  try {
    return look();
  } catch {
    return otherwise;
  }
}
