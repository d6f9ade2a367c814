import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { BakeFile } from '../../bake/index.ts';
import { BuildError } from '../../core/index.ts';
import type { CommandContext } from '../command.ts';
import { readDockerfileText } from './read-stdin.ts';

/** What is read when no file is named: all of them that are there, in this order, as docker buildx has it. */
const DEFAULT_FILES = [
  'compose.yaml',
  'compose.yml',
  'docker-compose.yml',
  'docker-compose.yaml',
  'docker-bake.json',
  'docker-bake.hcl',
  'docker-bake.override.json',
  'docker-bake.override.hcl',
];

/**
 * Reads the bake and compose files of a command line.
 *
 * @throws BuildError `BAKE_INVALID` when there is none, or one that was named cannot be read.
 */
export async function loadBakeFiles(
  { cwd, stdin }: Pick<CommandContext, 'cwd' | 'stdin'>,
  named: readonly string[],
): Promise<readonly BakeFile[]> {
  const names = named.length > 0 ? named : DEFAULT_FILES.filter((name) => existsSync(resolve(cwd, name)));
  if (names.length === 0) {
    throw new BuildError('BAKE_INVALID', `There is no bake or compose file in ${cwd}.`, {
      hint: `Name one with -f, or write one of: ${DEFAULT_FILES.join(', ')}.`,
    });
  }
  const files: BakeFile[] = [];
  for (const name of names) files.push(await readBakeFile({ cwd, stdin }, name));
  return files;
}

async function readBakeFile({ cwd, stdin }: Pick<CommandContext, 'cwd' | 'stdin'>, name: string): Promise<BakeFile> {
  if (name === '-') return { fileName: '<stdin>', text: await readDockerfileText(stdin) };
  try {
    return { fileName: name, text: readFileSync(resolve(cwd, name), 'utf8') };
  } catch (cause) {
    throw new BuildError('BAKE_INVALID', `The file ${name} cannot be read: ${(cause as Error).message}.`, { cause });
  }
}
