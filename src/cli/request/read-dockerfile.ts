import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { BuildError } from '../../core/index.ts';
import type { CommandContext } from '../command.ts';
import { openInput } from './open-input.ts';
import { readDockerfileText } from './read-stdin.ts';

const DEFAULT_NAMES = ['Dockerfile', 'Containerfile'];

/** A Dockerfile's text, and what messages call it. */
export interface NamedText {
  readonly fileName: string;
  readonly text: string;
}

/**
 * Reads the Dockerfile that a command names: a file, standard input (`-`), or that of the current directory.
 *
 * @throws BuildError `DOCKERFILE_NOT_FOUND`; `USAGE` when standard input is a terminal.
 */
export async function readDockerfile(
  context: Pick<CommandContext, 'stdin' | 'cwd'>,
  path: string | undefined,
): Promise<NamedText> {
  if (path === '-') {
    const example = 'zlayer dockerfile fmt FILE';
    return {
      fileName: '<stdin>',
      text: await readDockerfileText(openInput(context, { path, what: 'Dockerfile', example })),
    };
  }
  for (const fileName of path === undefined ? DEFAULT_NAMES : [path]) {
    const text = tryRead(resolve(context.cwd, fileName));
    if (text !== undefined) return { fileName, text };
  }
  throw new BuildError(
    'DOCKERFILE_NOT_FOUND',
    path === undefined ? 'There is no Dockerfile or Containerfile here.' : `There is no file ${path}.`,
    { hint: 'Name the file as the last argument.' },
  );
}

function tryRead(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    throw new BuildError('DOCKERFILE_NOT_FOUND', `The Dockerfile ${path} could not be read: ${message}`, { cause });
  }
}
