import type { BuildBackend } from '../../backends/index.ts';
import {
  BuildError,
  exitCodeOf,
  formatReference,
  parseReference,
  type RunContext,
  toBuildError,
} from '../../core/index.ts';
import { type CommandContext, defineCommand } from '../command.ts';
import { withImages } from '../images/with-images.ts';
import { BACKEND_OPTION, DATA_DIR_OPTION } from '../options/shared-options.ts';
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
    ...BACKEND_OPTION,
    ...DATA_DIR_OPTION,
  },
  examples: [
    { text: 'Remove one name', line: 'zlayer rmi app:1.0' },
    { text: 'Remove an image with all its names', line: 'zlayer rmi -f 4f4fb700ef54' },
  ],
  run: async (context, { values, positionals }) => {
    const { force } = values;
    return withImages(context, values, {
      inStore: (store) =>
        removeAll(context, { words: positionals, force }, (word) => store.images.untag(word, { all: force })),
      inBackend: (backend, inner) =>
        removeAll(context, { words: positionals, force }, (word) => untag(backend, { word, all: force }, inner)),
    });
  },
});

interface Removal {
  readonly words: readonly string[];
  readonly force: boolean;
}

/** One failure does not keep the others; the status is that of the last. */
async function removeAll(
  { stdout, stderr, env }: CommandContext,
  { words, force }: Removal,
  remove: (word: string) => Promise<readonly string[]>,
): Promise<number> {
  let status = 0;
  for (const word of words) {
    try {
      for (const reference of await remove(word)) stdout.write(`Untagged: ${familiarName(reference)}\n`);
    } catch (thrown) {
      const error = toBuildError(thrown);
      if (force && error.code === 'IMAGE_NOT_FOUND') continue;
      stderr.write(formatError(error, { columns: stderr.columns() ?? 80, style: styleFor(stderr, env) }));
      status = exitCodeOf(error.kind);
    }
  }
  return status;
}

/** Takes away a name; of an id the only name, or all of them with `all`. */
async function untag(
  backend: BuildBackend,
  { word, all }: { readonly word: string; readonly all: boolean },
  context: RunContext,
): Promise<readonly string[]> {
  const { references } = await backend.inspectImage(word, context);
  const names = /^(sha256:)?[0-9a-f]{4,64}$/.test(word) ? references : references.filter((name) => isName(name, word));
  if (names.length === 0) {
    throw new BuildError('USAGE', `The image ${word} has no name to remove.`, {
      hint: '`zlayer prune --all` deletes images without a name.',
    });
  }
  if (names.length > 1 && !all) {
    throw new BuildError(
      'USAGE',
      `The image ${word} has ${names.length} names: ${names.map(familiarName).join(', ')}.`,
      {
        hint: 'Give one of the names, or --force to remove all.',
      },
    );
  }
  for (const name of names) await backend.removeImage(name, context);
  return names;
}

function isName(name: string, word: string): boolean {
  return name === formatReference(parseReference(word));
}
