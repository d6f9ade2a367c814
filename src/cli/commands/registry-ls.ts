import { defineCommand } from '../command.ts';
import { FORMAT_OPTION } from '../options/shared-options.ts';
import { formatJson } from '../report/format-table.ts';
import { registryOf } from './login.ts';

/** `zlayer registry ls` */
export const registryLsCommand = defineCommand({
  name: 'registry ls',
  summary: 'List the repositories of a registry',
  details: ['Many public registries keep this list to themselves, and say so.'],
  positionals: { usage: 'REGISTRY', min: 1, max: 1 },
  options: FORMAT_OPTION,
  examples: [{ text: 'All repositories', line: 'zlayer registry ls registry.example.com' }],
  run: async ({ services, signal, stdout }, { values, positionals }) => {
    const registry = registryOf(positionals[0]);
    const repositories = await services.withRegistry({ signal, onEvent: () => undefined }, (client, context) =>
      client.listRepositories(registry, context),
    );
    const sorted = repositories.toSorted();
    stdout.write(
      values.format === 'json' ? formatJson(sorted) : sorted.map((name) => `${registry}/${name}\n`).join(''),
    );
    return undefined;
  },
});
