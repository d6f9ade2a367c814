import { BuildError, formatReference, parseReference } from '../../core/index.ts';
import { defineCommand } from '../command.ts';
import { DATA_DIR_OPTION } from '../options/shared-options.ts';

/** `zlayer tag` */
export const tagCommand = defineCommand({
  name: 'tag',
  summary: 'Give an image another name',
  positionals: { usage: 'IMAGE NAME[:TAG]', min: 2, max: 2, complete: 'image' },
  options: DATA_DIR_OPTION,
  examples: [{ text: 'Name it for a registry', line: 'zlayer tag app:1.0 registry.example.com/team/app:1.0' }],
  run: async ({ services }, { values, positionals: [word, name] }) => {
    const target = parseReference(name!);
    if (target.digest !== undefined) {
      throw new BuildError('REFERENCE_INVALID', `"${name}" has a digest: an image's digest cannot be chosen.`, {
        hint: 'Leave out the part from "@" on.',
      });
    }
    const store = await services.openStore(values['data-dir']);
    const { descriptor } = await store.images.find(word!);
    await store.images.set([formatReference(target)], descriptor);
    return undefined;
  },
});
