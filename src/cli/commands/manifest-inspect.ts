import { defineCommand } from '../command.ts';
import { printList, withLists } from '../images/manifest-list.ts';
import { BACKEND_OPTION, DATA_DIR_OPTION, FORMAT_OPTION } from '../options/shared-options.ts';

/** `zlayer manifest inspect` */
export const manifestInspectCommand = defineCommand({
  name: 'manifest inspect',
  summary: 'Show the members of a manifest list',
  positionals: { usage: 'LIST', min: 1, max: 1, complete: 'image' },
  options: { ...FORMAT_OPTION, ...BACKEND_OPTION, ...DATA_DIR_OPTION },
  examples: [
    { text: 'A line for each member', line: 'zlayer manifest inspect app:1.0' },
    {
      text: 'The platforms alone',
      line: "zlayer manifest inspect --format json app:1.0 | jq -r '.members[].platform'",
    },
  ],
  run: async (context, { values, positionals }) => {
    const list = await withLists(context, values, (backend, inner) => backend.manifestInspect(positionals[0]!, inner));
    printList(context, list, values.format);
    return undefined;
  },
});
