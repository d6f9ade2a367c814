import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync, readFileSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import type { Readable } from 'node:stream';
import { BuildError } from '../../core/index.ts';
import { HOST_ENV } from './host-programs.ts';

let opened: Promise<number> | undefined;

/**
 * A descriptor of the user namespace in which rootless steps and their files live: 0 is this user, the rest its range of
 * subordinate ids; for root without such a range, as in a container, its ids are the container's own. One for the whole life of this process, and no process stays for it: whoever enters it (`nsenter`) needs
 * no helper that writes id maps, which nothing would end if this process were killed at that moment.
 *
 * @throws BuildError `HOST_LACKS` where the kernel or /etc/subuid does not allow one.
 */
export function userNamespace(): Promise<number> {
  if (opened === undefined) {
    opened = makeUserNamespace();
    opened.catch(() => {
      opened = undefined;
    });
  }
  return opened;
}

async function makeUserNamespace(): Promise<number> {
  const writeMaps = chooseMaps();
  // Waits for its input to end, as it does when this process ends: it may be killed at any moment.
  const holder = start(['unshare', '--user', '--', '/bin/sh', '-c', 'echo; read line']);
  try {
    const failed = finish(holder, 'unshare').then(() => Promise.reject(lacks('unshare ended early')));
    failed.catch(() => undefined);
    await Promise.race([once(holder.stdout as Readable, 'data'), failed]);
    const pid = String(holder.pid);
    await writeMaps(pid);
    return openSync(`/proc/${pid}/ns/user`, 'r');
  } finally {
    holder.stdin?.end();
  }
}

/** Gives a new user namespace, by the number of a process in it, its ids. */
type WriteMaps = (pid: string) => Promise<void>;

function chooseMaps(): WriteMaps {
  const { uid, gid, username } = userInfo();
  const names = [username, String(uid)];
  const ranges = [rangeOf('/etc/subuid', names), rangeOf('/etc/subgid', names)] as const;
  const [uids, gids] = ranges;
  if (uids !== undefined && gids !== undefined) {
    return async (pid) => {
      const maps = [
        ['newuidmap', idMap(uid, uids)],
        ['newgidmap', idMap(gid, gids)],
      ] as const;
      await Promise.all(maps.map(([program, map]) => finish(start([program, pid, ...map]), program)));
    };
  }
  if (uid === 0) return writeOwnMaps;
  throw lacks(`no line matching user ${username} in ${uids === undefined ? '/etc/subuid' : '/etc/subgid'}`);
}

/** Root of a container has all the ids that the container has, and may hand them on as they are. */
async function writeOwnMaps(pid: string): Promise<void> {
  for (const name of ['uid_map', 'gid_map']) {
    const own = readLines(`/proc/self/${name}`).filter((line) => line.trim() !== '');
    const map = own.map((line) => {
      const [inside, , count] = line.trim().split(/\s+/);
      return `${inside} ${inside} ${count}\n`;
    });
    try {
      writeFileSync(`/proc/${pid}/${name}`, map.join(''));
    } catch (cause) {
      throw lacks(`the ids of this container cannot be handed on: ${(cause as Error).message}`);
    }
  }
}

function start([program = '', ...args]: readonly string[]): ChildProcess {
  return spawn(program, args, { env: HOST_ENV, cwd: '/', stdio: 'pipe' });
}

async function finish(child: ChildProcess, program: string): Promise<void> {
  const messages: Buffer[] = [];
  child.stderr?.on('data', (bytes: Buffer) => messages.push(bytes));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw lacks(Buffer.concat(messages).toString('utf8').trim() || `${program} failed`);
}

function lacks(reason: string): BuildError {
  return new BuildError('HOST_LACKS', `The step could not be isolated: ${reason}`);
}

interface IdRange {
  readonly start: string;
  readonly count: number;
}

/** The first range of the user, by name or number (subuid(5)). */
function rangeOf(path: string, names: readonly string[]): IdRange | undefined {
  for (const line of readLines(path)) {
    const [owner = '', start = '', count = ''] = line.trim().split(':');
    if (names.includes(owner) && /^\d+$/.test(start) && /^[1-9]\d*$/.test(count))
      return { start, count: Number(count) };
  }
  return undefined;
}

function readLines(path: string): readonly string[] {
  try {
    return readFileSync(path, 'utf8').split('\n');
  } catch {
    return [];
  }
}

/** As `unshare --map-root-user --map-auto` has it, so that its files and ours have the same owners. */
function idMap(own: number, { start, count }: IdRange): readonly string[] {
  return ['0', String(own), '1', ...(count > 1 ? ['1', start, String(count - 1)] : [])];
}
