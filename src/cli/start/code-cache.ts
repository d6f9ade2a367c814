import { createHash, randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import { isAbsolute, join } from 'node:path';

/** What V8 compiled of some modules. */
export interface CompiledCode {
  readonly code: ReadonlyMap<string, Buffer>;
  /** When it was first written, in milliseconds. */
  readonly madeMs: number;
  /** False when it is time to write it anew: V8 compiles a function when it is called, and later runs call others. */
  readonly isFresh: boolean;
}

/**
 * Compiled code that outlives a process. Nothing here throws: a cache that cannot be read or written is an empty one.
 * What is loaded is code that this process will run, so a file counts only when this user alone could have written it.
 */
export interface CodeCache {
  read(key: string): CompiledCode | undefined;
  /** `madeMs` is that of the code which this one follows; default now. */
  write(key: string, code: CompiledCode['code'], madeMs?: number): void;
}

type Env = Readonly<Record<string, string | undefined>>;

/** The first line of a file. The code follows in the order of `modules`, each padded to 8 bytes. */
interface Head {
  readonly format: typeof FORMAT;
  readonly key: string;
  readonly madeMs: number;
  readonly modules: ReadonlyArray<readonly [name: string, sizeBytes: number]>;
  /** SHA-256 of what follows: V8 itself does not verify it, and a power cut may leave a file with holes. */
  readonly digest: string;
}

const FORMAT = 'zlayer code 2';
const ALIGNMENT = 8;
const MAX_BYTES = 64 * 1024 * 1024;
const SOON_MS = 10 * 1000;
const DAY_MS = 24 * 60 * 60 * 1000;
const MAX_AGE_MS = 30 * DAY_MS;
const WRITABLE_BY_OTHERS = 0o022;

/**
 * The cache of this user, in `$XDG_CACHE_HOME/zlayer/code`, else `~/.cache/zlayer/code`.
 *
 * Undefined where there is none: no home directory, no owners of files (Windows), a program with another user's rights,
 * or `ZLAYER_CODE_CACHE=off`.
 */
export function openCodeCache(env: Env): CodeCache | undefined {
  const user = process.geteuid?.();
  if (user === undefined || user !== process.getuid?.() || env.ZLAYER_CODE_CACHE === 'off') return undefined;
  const place = placeOf(env);
  if (place === undefined) return undefined;
  const directory = join(...place);
  return {
    read: (key) => quietly(() => (isOwnDirectory(directory, user) ? readCode({ directory, user }, key) : undefined)),
    write: (key, code, madeMs = Date.now()) => {
      quietly(() => {
        // Whose directory it is matters: root with a user's HOME would leave folders there that the user cannot change.
        if (fs.statSync(place[0]).uid !== user) return;
        fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
        if (!isOwnDirectory(directory, user)) return;
        writeCode(directory, key, { code, madeMs });
        removeOld(directory);
      });
    },
  };
}

/** A directory of the user, and the path below it. */
function placeOf({ XDG_CACHE_HOME: cache, HOME: home }: Env): readonly [string, string] | undefined {
  if (cache !== undefined && isAbsolute(cache)) return [cache, 'zlayer/code'];
  return home !== undefined && isAbsolute(home) ? [home, '.cache/zlayer/code'] : undefined;
}

function isOwnDirectory(directory: string, user: number): boolean {
  const { uid, mode } = fs.lstatSync(directory);
  return (mode & fs.constants.S_IFMT) === fs.constants.S_IFDIR && uid === user && (mode & WRITABLE_BY_OTHERS) === 0;
}

const fileNameOf = (key: string): string => sha256(key).slice(0, 32);
const sha256 = (data: string | Buffer): string => createHash('sha256').update(data).digest('hex');
const padded = (sizeBytes: number): number => Math.ceil(sizeBytes / ALIGNMENT) * ALIGNMENT;

function readCode(
  { directory, user }: { readonly directory: string; readonly user: number },
  key: string,
): CompiledCode | undefined {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = fs.constants;
  const file = fs.openSync(join(directory, fileNameOf(key)), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  try {
    const stat = fs.fstatSync(file);
    if (!stat.isFile() || stat.uid !== user || (stat.mode & WRITABLE_BY_OTHERS) !== 0 || stat.size > MAX_BYTES) return;
    const bytes = Buffer.allocUnsafeSlow(stat.size);
    if (fs.readSync(file, bytes) !== stat.size) return;
    const found = decode(bytes, key);
    return found && { ...found, isFresh: isFresh(found.madeMs, stat.mtimeMs) };
  } finally {
    fs.closeSync(file);
  }
}

/** The first runs may be odd ones, such as a build that fails: they are followed soon, the later ones ever less often. */
function isFresh(madeMs: number, writtenMs: number): boolean {
  const interval = Math.min(Math.max(writtenMs - madeMs, SOON_MS), DAY_MS);
  return Math.abs(Date.now() - writtenMs) < interval;
}

type KeptCode = Pick<CompiledCode, 'code' | 'madeMs'>;

function decode(bytes: Buffer, key: string): KeptCode | undefined {
  const end = bytes.indexOf('\n') + 1;
  const head = JSON.parse(bytes.toString('latin1', 0, end)) as Head;
  if (head.format !== FORMAT || head.key !== key || head.digest !== sha256(bytes.subarray(end))) return undefined;
  const code = new Map<string, Buffer>();
  let at = end;
  for (const [name, sizeBytes] of head.modules) {
    code.set(name, bytes.subarray(at, at + sizeBytes));
    at += padded(sizeBytes);
  }
  return { code, madeMs: head.madeMs };
}

function encode(key: string, { code, madeMs }: KeptCode): Buffer {
  const body = Buffer.concat(
    [...code.values()].flatMap((each) => [each, Buffer.alloc(padded(each.length) - each.length)]),
  );
  const modules = [...code].map(([name, { length }]) => [name, length] as const);
  const head = JSON.stringify({ format: FORMAT, key, madeMs, modules, digest: sha256(body) } satisfies Head);
  const escaped = head.replace(/[^ -~]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
  return Buffer.concat([Buffer.from(`${escaped.padEnd(padded(escaped.length + 1) - 1)}\n`, 'latin1'), body]);
}

function writeCode(directory: string, key: string, code: KeptCode): void {
  const name = fileNameOf(key);
  const temporary = join(directory, `${name}.${randomBytes(6).toString('hex')}`);
  try {
    fs.writeFileSync(temporary, encode(key, code), { flag: 'wx', mode: 0o600 });
    fs.renameSync(temporary, join(directory, name));
  } catch (error) {
    fs.rmSync(temporary, { force: true });
    throw error;
  }
}

/** Code of versions that are gone, and files of runs that were killed while they wrote. */
function removeOld(directory: string): void {
  for (const name of fs.readdirSync(directory)) {
    const path = join(directory, name);
    quietly(() => Date.now() - fs.lstatSync(path).mtimeMs > MAX_AGE_MS && fs.unlinkSync(path));
  }
}

/** The result, or undefined when anything goes wrong: a command must never fail because of its cache. */
function quietly<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch {
    return undefined;
  }
}
