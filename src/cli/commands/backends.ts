import { defineCommand } from '../command.ts';
import { DATA_DIR_OPTION, FORMAT_OPTION } from '../options/shared-options.ts';
import { formatBackends } from '../report/format-backends.ts';
import { formatJson } from '../report/format-table.ts';
import { styleFor } from '../terminal/style.ts';

const MAX_COLUMNS = 100;
const DEFAULT_COLUMNS = 80;

/** `zlayer backends` */
export const backendsCommand = defineCommand({
  name: 'backends',
  summary: 'Show who can build on this host, and who would',
  details: [
    'A build takes the backend of --backend, else of $ZLAYER_BACKEND, and never another. Without both it takes the first that can work, in the order that is shown. No daemon is started to find out.',
  ],
  positionals: { usage: '', min: 0, max: 0 },
  options: { ...FORMAT_OPTION, ...DATA_DIR_OPTION },
  examples: [
    { text: 'Who builds here, and why?', line: 'zlayer backends' },
    {
      text: 'What can buildah-cli not do?',
      line: 'zlayer backends --format json | jq \'.backends[] | select(.name == "buildah-cli").lacking\'',
    },
  ],
  run: async ({ services, stdout, env, signal }, { values }) => {
    const report = await services.describeBackends(
      { dataDir: values['data-dir'] },
      { signal, onEvent: () => undefined },
    );
    if (values.format === 'json') stdout.write(formatJson(report));
    else {
      const columns = Math.min(stdout.columns() ?? DEFAULT_COLUMNS, MAX_COLUMNS);
      stdout.write(formatBackends(report, { columns, style: styleFor(stdout, env) }));
    }
    return undefined;
  },
});
