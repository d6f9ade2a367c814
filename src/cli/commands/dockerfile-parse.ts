import { parseDockerfile } from '../../dockerfile/index.ts';
import { defineCommand } from '../command.ts';
import { formatJson } from '../report/format-table.ts';
import { readDockerfile } from '../request/read-dockerfile.ts';

/** `zlayer dockerfile parse` */
export const dockerfileParseCommand = defineCommand({
  name: 'dockerfile parse',
  summary: 'Print the typed tree of a Dockerfile as JSON',
  details: [
    'Directives, global arguments, stages, instructions with their flags and words, each with its range: lines and columns count from 1, the end is behind the last character. Nothing is expanded. FILE is by default Dockerfile, else Containerfile, in the current directory; "-" is standard input.',
  ],
  positionals: { usage: '[FILE]', min: 0, max: 1, complete: 'file' },
  options: {},
  examples: [
    {
      text: 'Which images does a file name?',
      line: "zlayer dockerfile parse | jq -r '.stages[].from.image'",
    },
  ],
  run: async (context, { positionals }) => {
    const { fileName, text } = await readDockerfile(context, positionals[0]);
    const { text: _source, ...tree } = parseDockerfile(text, { fileName });
    context.stdout.write(formatJson(tree));
    return undefined;
  },
});
