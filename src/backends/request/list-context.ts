import { existsSync, lstatSync, readdirSync, type Stats } from 'node:fs';
import { join, resolve } from 'node:path';
import { BuildError, type BytePath, bytesOfPath, textOfPath } from '../../core/index.ts';
import type { IgnoreDecision, IgnoreMatcher } from '../../dockerfile/index.ts';
import { loadIgnoreFile } from './load-dockerfile.ts';

/** One name in a build context: what a build sees, or what an ignore rule keeps from it. */
export interface ContextEntry {
  /** Relative to the context. */
  readonly path: BytePath;
  readonly kind: 'file' | 'directory' | 'symlink' | 'other';
  /** Of a file; 0 for all else. */
  readonly sizeBytes: number;
  /** False: left out, and with a directory everything below it, which is not listed then. */
  readonly included: boolean;
  /** The rule that decided; absent where none matched. */
  readonly rule?: { readonly fileName: string; readonly line: number; readonly pattern: string };
}

export interface ListContextInput {
  readonly directory: string;
  /** The Dockerfile, whose own `.dockerignore` wins; default: that of the context. */
  readonly file?: string;
}

/**
 * Lists a context directory as a build would see it, in the order of the names.
 *
 * @throws BuildError `CONTEXT_NOT_FOUND`, `CONTEXT_INVALID`, `IGNORE_FILE_SYNTAX`.
 */
export async function listContext({ directory, file }: ListContextInput): Promise<readonly ContextEntry[]> {
  const root = resolve(directory);
  if (!isDirectory(root)) {
    throw new BuildError('CONTEXT_NOT_FOUND', `The build context ${directory} is no directory that is there.`, {
      hint: 'Name the directory whose files COPY and ADD may use, often `.`.',
    });
  }
  const dockerfile = file === undefined ? defaultFile(root) : resolve(file);
  return walk({ root, ignore: loadIgnoreFile(root, dockerfile) }, '');
}

function isDirectory(path: string): boolean {
  return lstatSync(`${path}/.`, { throwIfNoEntry: false })?.isDirectory() === true;
}

function defaultFile(root: string): string | undefined {
  return ['Dockerfile', 'Containerfile'].map((name) => join(root, name)).find((path) => existsSync(path));
}

interface Walked {
  readonly root: string;
  readonly ignore: IgnoreMatcher | undefined;
}

function walk(context: Walked, directory: BytePath): readonly ContextEntry[] {
  return namesIn(context, directory).flatMap((name) => {
    const path = directory === '' ? name : `${directory}/${name}`;
    const text = textOfPath(path);
    const decision = context.ignore?.decide(text) ?? { ignored: false };
    const entry = toEntry(context, path, decision);
    if (entry.kind !== 'directory') return [entry];
    if (!decision.ignored) return [entry, ...walk(context, path)];
    if (context.ignore?.mayIncludeBelow(text) !== true) return [entry];
    // An ignored directory comes along where something below it does.
    const below = walk(context, path);
    return [{ ...entry, included: below.some(({ included }) => included) }, ...below];
  });
}

function namesIn({ root }: Walked, directory: BytePath): readonly BytePath[] {
  try {
    return readdirSync(hostPath(root, directory), { encoding: 'latin1' }).sort();
  } catch (cause) {
    throw unreadable(directory, cause);
  }
}

function toEntry({ root }: Walked, path: BytePath, { ignored, rule }: IgnoreDecision): ContextEntry {
  const stats = statOf(root, path);
  const { location } = rule ?? {};
  return {
    path,
    kind: stats.isFile() ? 'file' : stats.isDirectory() ? 'directory' : stats.isSymbolicLink() ? 'symlink' : 'other',
    sizeBytes: stats.isFile() ? stats.size : 0,
    included: !ignored,
    ...(rule === undefined || location === undefined
      ? {}
      : {
          rule: {
            fileName: location.fileName,
            line: location.range.start.line,
            pattern: `${rule.negated ? '!' : ''}${rule.pattern}`,
          },
        }),
  };
}

function statOf(root: string, path: BytePath): Stats {
  try {
    return lstatSync(hostPath(root, path));
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

function hostPath(root: string, path: BytePath): Buffer {
  return Buffer.concat([Buffer.from(`${root}/`), bytesOfPath(path)]);
}

function unreadable(path: BytePath, cause: unknown): BuildError {
  const shown = path === '' ? 'The build context' : `"${textOfPath(path)}" in the build context`;
  return new BuildError('CONTEXT_INVALID', `${shown} cannot be read: ${(cause as Error).message}`, {
    cause,
    hint: 'A build fails only where COPY or ADD need it; an ignore rule keeps it away from them.',
  });
}
