import { readFileSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { BuildError } from '../../core/index.ts';
import {
  createIgnoreMatcher,
  type Dockerfile,
  type IgnoreMatcher,
  parseDockerfile,
  parseIgnoreFile,
  requireSyntax,
} from '../../dockerfile/index.ts';
import type { DockerfileInput } from '../types.ts';

const DEFAULT_NAMES = ['Dockerfile', 'Containerfile'];

/** A parsed Dockerfile with the ignore rules that go with it. */
export interface LoadedDockerfile {
  readonly dockerfile: Dockerfile;
  readonly ignore: IgnoreMatcher | undefined;
}

export interface LoadInput {
  /** Root of the context; undefined for an empty one. */
  readonly contextDir: string | undefined;
  readonly input: DockerfileInput | undefined;
  /** `-f` names a file of the host (a directory context), not one inside the context (a tar, a git repository). */
  readonly isLocal: boolean;
  /** The build argument `BUILDKIT_SYNTAX`: the frontend, whatever the file says. */
  readonly syntax?: string | undefined;
}

/**
 * Reads and parses the Dockerfile of a request, and `<Dockerfile>.dockerignore` beside it or else `.dockerignore` at the
 * root of the context.
 *
 * @throws BuildError `DOCKERFILE_NOT_FOUND`, `DOCKERFILE_SYNTAX`, `DOCKERFILE_INVALID`, `IGNORE_FILE_SYNTAX`, and `UNSUPPORTED`
 * for a file of another frontend.
 */
export function loadDockerfile(load: LoadInput): LoadedDockerfile {
  const { input, contextDir } = load;
  if (input?.kind === 'text') {
    const dockerfile = parse(load, input.text, input.fileName ?? 'Dockerfile');
    return { dockerfile, ignore: loadIgnoreFile(contextDir, undefined) };
  }
  const path = input === undefined ? findDefault(load) : resolvePath(load, input.path);
  const dockerfile = parse(load, readDockerfile(path), input?.path ?? basename(path));
  return { dockerfile, ignore: loadIgnoreFile(contextDir, path) };
}

function parse({ syntax }: LoadInput, text: string, fileName: string): Dockerfile {
  requireSyntax({ fileName, text }, syntax);
  return parseDockerfile(text, { fileName });
}

function findDefault({ contextDir, isLocal }: LoadInput): string {
  for (const name of contextDir === undefined ? [] : DEFAULT_NAMES) {
    const path = join(contextDir!, name);
    if (isFile(path)) return path;
  }
  throw new BuildError(
    'DOCKERFILE_NOT_FOUND',
    `There is no Dockerfile or Containerfile in ${whereOf(contextDir, isLocal)}.`,
    {
      hint: 'Name the file with -f, or name the directory that holds it as the last argument.',
    },
  );
}

/** What was unpacked into the store is known to people by what they gave. */
function whereOf(contextDir: string | undefined, isLocal: boolean): string {
  return contextDir === undefined ? 'the empty context' : isLocal ? contextDir : 'the context that was given';
}

function resolvePath(load: LoadInput, path: string): string {
  if (load.isLocal) return resolve(path);
  const root = load.contextDir ?? '/';
  const inside = join('/', path);
  return join(root, inside);
}

function readDockerfile(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why =
      code === 'ENOENT' ? 'there is no such file' : code === 'EISDIR' ? 'it is a directory' : (error as Error).message;
    throw new BuildError('DOCKERFILE_NOT_FOUND', `The Dockerfile ${path} cannot be read: ${why}.`, {
      cause: error,
      hint: 'The path of -f counts from the current directory, not from the context.',
    });
  }
}

/** The rules for a context directory; undefined when there are none. */
export function loadIgnoreFile(
  contextDir: string | undefined,
  dockerfilePath: string | undefined,
): IgnoreMatcher | undefined {
  const own =
    dockerfilePath === undefined ? [] : [join(dirname(dockerfilePath), `${basename(dockerfilePath)}.dockerignore`)];
  const shared = contextDir === undefined ? [] : [join(contextDir, '.dockerignore')];
  for (const path of [...own, ...shared]) {
    const text = readIfThere(path);
    if (text === undefined) continue;
    const patterns = parseIgnoreFile(text, { fileName: basename(path) });
    return patterns.length === 0 ? undefined : createIgnoreMatcher(patterns);
  }
  return undefined;
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}

function isFile(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
  } catch {
    return false;
  }
}
