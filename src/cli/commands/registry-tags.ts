import { parseReference } from '../../core/index.ts';
import { defineCommand } from '../command.ts';
import { FORMAT_OPTION } from '../options/shared-options.ts';
import { formatJson } from '../report/format-table.ts';

/** 1.9 comes before 1.10. */
const BY_NUMBER = new Intl.Collator('en', { numeric: true });

/** `zlayer registry tags` */
export const registryTagsCommand = defineCommand({
  name: 'registry tags',
  summary: 'List the tags of a repository in its registry',
  positionals: { usage: 'REPOSITORY', min: 1, max: 1 },
  options: FORMAT_OPTION,
  examples: [{ text: 'The tags of one repository', line: 'zlayer registry tags registry.example.com/team/app' }],
  run: async ({ services, signal, stdout }, { values, positionals }) => {
    const { registry, repository } = parseReference(positionals[0]!);
    const tags = await services.withRegistry({ signal, onEvent: () => undefined }, (client, context) =>
      client.listTags({ registry, repository }, context),
    );
    const sorted = tags.toSorted(BY_NUMBER.compare);
    stdout.write(values.format === 'json' ? formatJson(sorted) : sorted.map((tag) => `${tag}\n`).join(''));
    return undefined;
  },
});
