import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  statSync,
} from 'node:fs';
import { dirname, isAbsolute } from 'node:path';
import { BuildError } from '../../core/index.ts';

/** What of the daemon's host its clients may name. */
export interface PathPolicy {
  /** Real paths. */
  readonly allowed: readonly string[];
  /** The real path of something below an allowed directory. @throws BuildError `NOT_ALLOWED`, `CONTEXT_NOT_FOUND` */
  resolve(path: string, field: string): string;
  /** The content of a file below an allowed directory. @throws BuildError `NOT_ALLOWED`, `SOURCE_NOT_FOUND` */
  read(path: string, field: string): Buffer;
}

const MAX_FILE_BYTES = 16 << 20;

/**
 * Decides by real paths: a symbolic link counts as what it leads to. What is read is checked after it was opened, so that
 * nothing can be put in its place between the check and the reading.
 *
 * @throws BuildError `USAGE` when an allowed directory is none.
 */
export function createPathPolicy(directories: readonly string[]): PathPolicy {
  const allowed = directories.map(realDirectory);
  return {
    allowed,
    resolve: (path, field) => {
      requireAbsolute(path, field);
      // What lies outside is refused before anything is told about it, even that it is not there.
      if (!allowed.some((root) => isBelow(root, path))) throw denied(path, field, allowed);
      const real = tryRealPath(path);
      if (real !== undefined && allowed.some((root) => isBelow(root, real))) return real;
      if (real !== undefined || leavesRoots(allowed, path)) throw denied(path, field, allowed);
      throw new BuildError('CONTEXT_NOT_FOUND', `${field}: ${path} is not there, on the daemon's host.`);
    },
    read: (path, field) => {
      requireAbsolute(path, field);
      if (!allowed.some((root) => isBelow(root, path))) throw denied(path, field, allowed);
      return readBelow(allowed, path, field);
    },
  };
}

/**
 * The content of a file that lies, after all symbolic links, below one of some real directories.
 *
 * @throws BuildError `NOT_ALLOWED`, `SOURCE_NOT_FOUND`
 */
export function readBelow(roots: readonly string[], path: string, field: string): Buffer {
  const fd = openForReading(roots, path, field);
  try {
    const real = readlinkSync(`/proc/self/fd/${fd}`);
    if (!roots.some((root) => isBelow(root, real))) throw denied(path, field, roots);
    const stats = fstatSync(fd);
    if (!stats.isFile()) throw new BuildError('SOURCE_NOT_FOUND', `${field}: ${path} is not a file.`);
    if (stats.size > MAX_FILE_BYTES) throw new BuildError('USAGE', `${field}: ${path} is larger than 16 MiB.`);
    return readFileSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Whether a path is a directory, or lies below it; both absolute. `..` is not resolved but refused. */
export function isBelow(root: string, path: string): boolean {
  if (path.split('/').includes('..')) return false;
  const prefix = root === '/' ? '/' : `${root}/`;
  return path === root || path.startsWith(prefix);
}

function openForReading(roots: readonly string[], path: string, field: string): number {
  try {
    // Opening a named pipe would otherwise wait for a writer.
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (leavesRoots(roots, path)) throw denied(path, field, roots);
    throw new BuildError('SOURCE_NOT_FOUND', `${field}: ${path} cannot be read: ${(error as Error).message}`, {
      cause: error,
      facts: { path },
    });
  }
}

function requireAbsolute(path: string, field: string): void {
  if (isAbsolute(path) && !path.includes('\0')) return;
  throw new BuildError('USAGE', `${field}: "${path}" is not an absolute path of the daemon's host.`);
}

function tryRealPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}

/** Whether the way to something that is not there leads outside by a link, or ends at one: what lies there is nobody's to know. */
function leavesRoots(roots: readonly string[], path: string): boolean {
  for (let at = path; at !== '/'; at = dirname(at)) {
    const real = tryRealPath(at);
    if (real !== undefined) return !roots.some((root) => isBelow(root, real));
    if (isLink(at)) return true;
  }
  return false;
}

function isLink(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true;
  } catch {
    return false;
  }
}

function realDirectory(path: string): string {
  try {
    const real = realpathSync(path);
    if (statSync(real).isDirectory()) return real;
  } catch (error) {
    throw new BuildError('USAGE', `--allow-context ${path}: there is no such directory.`, { cause: error });
  }
  throw new BuildError('USAGE', `--allow-context ${path} is not a directory.`);
}

function denied(path: string, field: string, allowed: readonly string[]): BuildError {
  const hint =
    allowed.length === 0
      ? "Upload the context, or ask the daemon's operator to start it with --allow-context DIR."
      : `Its operator has allowed ${allowed.join(', ')}. What lies elsewhere has to be uploaded.`;
  return new BuildError('NOT_ALLOWED', `${field}: the daemon's operator has not allowed ${path}.`, { hint });
}
