import { exitCodeOf, toBuildError } from '../../core/index.ts';
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
        for (const reference of await store.images.untag(word, { all: values.force })) {
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
