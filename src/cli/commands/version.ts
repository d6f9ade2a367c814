import { defineCommand } from '../command.ts';
import { FORMAT_OPTION } from '../options/shared-options.ts';
import { formatJson } from '../report/format-table.ts';
import { VERSION } from '../version.ts';

/** `zlayer version` */
export const versionCommand = defineCommand({
  name: 'version',
  summary: 'Show the version of zlayer and of what it runs on',
  positionals: { usage: '', min: 0, max: 0 },
  options: FORMAT_OPTION,
  examples: [{ text: 'For a bug report', line: 'zlayer version' }],
  run: async ({ stdout }, { values }) => {
    const facts = { version: VERSION, node: process.versions.node, platform: `${process.platform}/${process.arch}` };
    if (values.format === 'json') stdout.write(formatJson(facts));
    else stdout.write(`zlayer ${facts.version}\nnode ${facts.node}\nplatform ${facts.platform}\n`);
    return undefined;
  },
});
