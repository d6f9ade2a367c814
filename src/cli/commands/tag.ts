import { BuildError, formatReference, parseReference } from '../../core/index.ts';
import { defineCommand } from '../command.ts';
import { withImages } from '../images/with-images.ts';
import { BACKEND_OPTION, DATA_DIR_OPTION } from '../options/shared-options.ts';

/** `zlayer tag` */
export const tagCommand = defineCommand({
  name: 'tag',
  summary: 'Give an image another name',
  positionals: { usage: 'IMAGE NAME[:TAG]', min: 2, max: 2, complete: 'image' },
  options: { ...BACKEND_OPTION, ...DATA_DIR_OPTION },
  examples: [{ text: 'Name it for a registry', line: 'zlayer tag app:1.0 registry.example.com/team/app:1.0' }],
  run: async (context, { values, positionals: [word, name] }) => {
    const target = parseReference(name!);
    if (target.digest !== undefined) {
      throw new BuildError('REFERENCE_INVALID', `"${name}" has a digest: an image's digest cannot be chosen.`, {
        hint: 'Leave out the part from "@" on.',
      });
    }
    await withImages(context, values, {
      inStore: async (store) => {
        const { descriptor } = await store.images.find(word!);
        await store.images.set([formatReference(target)], descriptor);
      },
      inBackend: async (backend, inner) => {
        await backend.tagImage({ image: word!, reference: formatReference(target) }, inner);
      },
    });
    return undefined;
  },
});
