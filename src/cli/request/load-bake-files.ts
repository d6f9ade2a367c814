import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { type BakeFile, type BakeOutside, type ConfigFile, parseEnvFile } from '../../bake/index.ts';
import { BuildError } from '../../core/index.ts';
import type { CommandContext } from '../command.ts';
import { isConfigFile, loadConfigFile } from './load-config-file.ts';
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

/** Read after them; the first that is there. */
const CONFIG_FILES = ['ts', 'mts', 'js', 'mjs', 'json'].map((ending) => `zlayer.config.${ending}`);

/**
 * Reads the bake, compose and config files of a command line.
 *
 * @throws BuildError `BAKE_INVALID` when there is none, or one cannot be read or run.
 */
export async function loadBakeFiles(
  { cwd, stdin }: Pick<CommandContext, 'cwd' | 'stdin'>,
  named: readonly string[],
  outside: Pick<BakeOutside, 'env' | 'localPlatform'>,
): Promise<ReadonlyArray<BakeFile | ConfigFile>> {
  const isHere = (name: string): boolean => existsSync(resolve(cwd, name));
  const names =
    named.length > 0 ? named : [...DEFAULT_FILES.filter(isHere), ...CONFIG_FILES.filter(isHere).slice(0, 1)];
  if (names.length === 0) {
    throw new BuildError('BAKE_INVALID', `There is no bake, compose or config file in ${cwd}.`, {
      hint: `Name one with -f, or write one of: ${DEFAULT_FILES.join(', ')}, zlayer.config.ts.`,
    });
  }
  const files: (BakeFile | ConfigFile)[] = [];
  for (const name of names) {
    const file = await readBakeFile({ cwd, stdin }, name);
    if (!isConfigFile(name)) files.push(file);
    else files.push({ ...file, config: await loadConfigFile({ ...file, path: resolve(cwd, name) }, outside) });
  }
  return files;
}

/** Variables for compose files, which the environment does not have to set. */
export function readEnvFile({ cwd }: Pick<CommandContext, 'cwd'>): Readonly<Record<string, string>> {
  const path = resolve(cwd, '.env');
  return existsSync(path) ? parseEnvFile(readFileSync(path, 'utf8')) : {};
}

async function readBakeFile({ cwd, stdin }: Pick<CommandContext, 'cwd' | 'stdin'>, name: string): Promise<BakeFile> {
  if (name === '-') return { fileName: '<stdin>', text: await readDockerfileText(stdin) };
  try {
    return { fileName: name, text: readFileSync(resolve(cwd, name), 'utf8') };
  } catch (cause) {
    throw new BuildError('BAKE_INVALID', `The file ${name} cannot be read: ${(cause as Error).message}.`, { cause });
  }
}
