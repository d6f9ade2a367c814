import { defineCommand } from '../command.ts';
import { MEMBER_OPTIONS, printList, readMemberPlatform, withLists } from '../images/manifest-list.ts';
import { BACKEND_OPTION, DATA_DIR_OPTION, FORMAT_OPTION } from '../options/shared-options.ts';
import { parsePairs } from '../options/values.ts';

/** `zlayer manifest add` */
export const manifestAddCommand = defineCommand({
  name: 'manifest add',
  summary: 'Add images to a manifest list',
  details: [
    'An image that is itself for several platforms adds all of them, or with --platform the one; records about images, such as provenance, are left out. What is in the list with the same digest is replaced.',
  ],
  positionals: { usage: 'LIST IMAGE [IMAGE...]', min: 2, max: Number.POSITIVE_INFINITY, complete: 'image' },
  options: {
    ...MEMBER_OPTIONS,
    all: { kind: 'boolean', help: "Accepted as buildah's; all images of an index are added anyway" },
    ...FORMAT_OPTION,
    ...BACKEND_OPTION,
    ...DATA_DIR_OPTION,
  },
  examples: [
    { text: 'An image of the store', line: 'zlayer manifest add app:1.0 app:1.0-arm64' },
    {
      text: 'One platform of an image of a registry',
      line: 'zlayer manifest add --platform linux/s390x app:1.0 ghcr.io/team/app:1.0',
    },
  ],
  run: async (context, { values, positionals: [list, ...images] }) => {
    const platform = readMemberPlatform(values);
    const annotations = parsePairs(values.annotation, '--annotation');
    const options = { ...(platform === undefined ? {} : { platform }), annotations };
    const changed = await withLists(context, values, async (backend, inner) => {
      for (const image of images.slice(0, -1)) await backend.manifestAdd({ list: list!, image, ...options }, inner);
      return backend.manifestAdd({ list: list!, image: images.at(-1)!, ...options }, inner);
    });
    printList(context, changed, values.format);
    return undefined;
  },
});
