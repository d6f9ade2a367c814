import { createHash, randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import { isAbsolute, join } from 'node:path';

/** Compiled code of one script, with what it was compiled from. */
export interface CachedCode {
  /** What V8 made of the script. */
  readonly code: Buffer;
  /** Names of the chunks that had been used when it was made: V8 compiles a function when it is first called. */
  readonly chunks: readonly string[];
}

/**
 * Compiled code that outlives a process. Nothing here throws: a cache that cannot be read or written is an empty one.
 * What is loaded is code that this process will run, so a file counts only when this user alone could have written it.
 */
export interface CodeCache {
  read(key: string): CachedCode | undefined;
  write(key: string, cached: CachedCode): void;
}

type Env = Readonly<Record<string, string | undefined>>;

const FORMAT = 'zlayer code 1';
const DIGEST_LENGTH = 32;
const MAX_BYTES = 64 * 1024 * 1024;
const MAX_AGE_MS = 30 * 24 * 60 * 60 * 1000;
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
    write: (key, cached) => {
      quietly(() => {
        // Whose directory it is matters: root with a user's HOME would leave folders there that the user cannot change.
        if (fs.statSync(place[0]).uid !== user) return;
        fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
        if (!isOwnDirectory(directory, user)) return;
        writeCode(directory, key, cached);
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

const fileNameOf = (key: string): string => createHash('sha256').update(key).digest('hex').slice(0, DIGEST_LENGTH);

function readCode(
  { directory, user }: { readonly directory: string; readonly user: number },
  key: string,
): CachedCode | undefined {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = fs.constants;
  const file = fs.openSync(join(directory, fileNameOf(key)), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  try {
    const stat = fs.fstatSync(file);
    if (!stat.isFile() || stat.uid !== user || (stat.mode & WRITABLE_BY_OTHERS) !== 0 || stat.size > MAX_BYTES) return;
    const bytes = Buffer.allocUnsafeSlow(stat.size);
    return fs.readSync(file, bytes) === stat.size ? decode(bytes, key) : undefined;
  } finally {
    fs.closeSync(file);
  }
}

/** A line of JSON, padded so that the code is aligned, then the code. */
function encode(key: string, { code, chunks }: CachedCode): Buffer {
  const head = JSON.stringify({ format: FORMAT, key, chunks, digest: digestOf(code) });
  return Buffer.concat([Buffer.from(`${head.padEnd(Math.ceil((head.length + 1) / 8) * 8 - 1)}\n`, 'latin1'), code]);
}

/** V8 itself verifies neither length nor content, and a power cut may leave a file with a hole. */
function decode(bytes: Buffer, key: string): CachedCode | undefined {
  const end = bytes.indexOf(10);
  const head = JSON.parse(bytes.toString('latin1', 0, end));
  const code = bytes.subarray(end + 1);
  if (head.format !== FORMAT || head.key !== key || head.digest !== digestOf(code)) return undefined;
  return { code, chunks: head.chunks };
}

const digestOf = (code: Buffer): string => createHash('sha256').update(code).digest('hex');

function writeCode(directory: string, key: string, cached: CachedCode): void {
  const name = fileNameOf(key);
  const temporary = join(directory, `${name}.${randomBytes(6).toString('hex')}`);
  try {
    fs.writeFileSync(temporary, encode(key, cached), { flag: 'wx', mode: 0o600 });
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
