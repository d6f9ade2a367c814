import { BuildError, exitCodeOf, toBuildError } from '../../core/index.ts';
import type { Store } from '../../store/index.ts';
import { defineCommand } from '../command.ts';
import { DATA_DIR_OPTION } from '../options/shared-options.ts';
import { formatError } from '../report/format-error.ts';
import { familiarName } from '../report/format-result.ts';
import { styleFor } from '../terminal/style.ts';

/** `zlayer rmi` */
export const rmiCommand = defineCommand({
  name: 'rmi',
  summary: 'Remove names of images',
  details: ['The blobs of an image that has no name left stay in the store as build cache until `zlayer prune`.'],
  positionals: { usage: 'IMAGE [IMAGE...]', min: 1, max: Number.POSITIVE_INFINITY, complete: 'image' },
  options: {
    force: { kind: 'boolean', short: 'f', help: 'With an id: remove all its names; do not fail for what is not there' },
    ...DATA_DIR_OPTION,
  },
  examples: [
    { text: 'Remove one name', line: 'zlayer rmi app:1.0' },
    { text: 'Remove an image with all its names', line: 'zlayer rmi -f 4f4fb700ef54' },
  ],
  run: async ({ services, stdout, stderr, env }, { values, positionals }) => {
    const store = await services.openStore(values['data-dir']);
    let status = 0;
    for (const word of positionals) {
      try {
        for (const reference of await namesToRemove(store, word, values.force)) {
          await store.images.remove(reference);
          stdout.write(`Untagged: ${familiarName(reference)}\n`);
        }
      } catch (thrown) {
        const error = toBuildError(thrown);
        if (values.force && error.code === 'IMAGE_NOT_FOUND') continue;
        stderr.write(formatError(error, { columns: stderr.columns() ?? 80, style: styleFor(stderr, env) }));
        status = exitCodeOf(error.kind);
      }
    }
    return status;
  },
});

async function namesToRemove(store: Store, word: string, force: boolean): Promise<readonly string[]> {
  const { image, byName } = await store.images.find(word);
  if (byName) return [image.reference!];
  const names = (await store.images.list()).flatMap(({ descriptor, reference }) =>
    descriptor.digest === image.descriptor.digest && reference !== undefined ? [reference] : [],
  );
  if (names.length === 0) {
    throw new BuildError('USAGE', `The image ${word} has no name to remove.`, {
      hint: '`zlayer prune --all` deletes images without a name.',
    });
  }
  if (names.length > 1 && !force) {
    throw new BuildError(
      'USAGE',
      `The image ${word} has ${names.length} names: ${names.map(familiarName).join(', ')}.`,
      {
        hint: 'Give one of the names, or --force to remove all.',
      },
    );
  }
  return names;
}
