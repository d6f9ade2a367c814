import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command, CommandContext } from '../command.ts';
import { familiarName } from '../report/format-result.ts';
import { completeWords } from './complete-words.ts';

/** `zlayer __complete WORDS`: what the completion scripts call. Never fails: there is nobody to tell. */
export async function printCompletion(
  context: CommandContext,
  commands: readonly Command[],
  words: readonly string[],
): Promise<void> {
  const { candidates, files } = await completeWords(words, {
    commands,
    imageNames: () => imageNames(context),
    stageNames: (file) => stageNames(resolve(context.cwd, file ?? 'Dockerfile')),
  });
  const lines = candidates.map(({ value, help }) => (help === '' ? value : `${value}\t${help}`));
  context.stdout.write(`${[...lines, `:${files}`].join('\n')}\n`);
}

async function imageNames({ services }: CommandContext): Promise<readonly string[]> {
  try {
    const store = await services.openStore(undefined);
    const images = await store.images.list();
    return images.flatMap(({ reference }) => (reference === undefined ? [] : [familiarName(reference)]));
  } catch {
    return [];
  }
}

/** A glance is enough here: a parser would refuse the half-written files that completion meets. */
function stageNames(path: string): readonly string[] {
  try {
    return [...readFileSync(path, 'utf8').matchAll(/^\s*FROM\s.*\sAS\s+(\S+)\s*$/gim)].map(([, name]) => name!);
  } catch {
    return [];
  }
}
