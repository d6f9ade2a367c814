import { parseDigest } from '../../core/index.ts';
import { defineCommand } from '../command.ts';
import { printList, withLists } from '../images/manifest-list.ts';
import { BACKEND_OPTION, DATA_DIR_OPTION, FORMAT_OPTION } from '../options/shared-options.ts';

/** `zlayer manifest remove` */
export const manifestRemoveCommand = defineCommand({
  name: 'manifest remove',
  summary: 'Take images out of a manifest list',
  details: ['The list itself goes with `zlayer rmi LIST`.'],
  positionals: { usage: 'LIST DIGEST [DIGEST...]', min: 2, max: Number.POSITIVE_INFINITY, complete: 'image' },
  options: { ...FORMAT_OPTION, ...BACKEND_OPTION, ...DATA_DIR_OPTION },
  examples: [
    {
      text: 'By the digest that `zlayer manifest inspect` shows',
      line: 'zlayer manifest remove app:1.0 sha256:6dbd6d9ee9e5b8d1f9f5a4d1c4e4f1e1cc49cdb2cf6e1ddcd3c2d1e0f9a8b7c6',
    },
  ],
  run: async (context, { values, positionals: [list, ...words] }) => {
    const digests = words.map(parseDigest);
    const changed = await withLists(context, values, async (backend, inner) => {
      for (const digest of digests.slice(0, -1)) await backend.manifestRemove({ list: list!, digest }, inner);
      return backend.manifestRemove({ list: list!, digest: digests.at(-1)! }, inner);
    });
    printList(context, changed, values.format);
    return undefined;
  },
});
