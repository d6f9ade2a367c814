import { defineCommand } from '../command.ts';
import { requireStore } from '../images/with-images.ts';
import { BACKEND_OPTION, DATA_DIR_OPTION } from '../options/shared-options.ts';
import { familiarName } from '../report/format-result.ts';
import { openInput } from '../request/open-input.ts';

/** `zlayer load` */
export const loadCommand = defineCommand({
  name: 'load',
  summary: 'Read images from a tar of docker save, podman save, skopeo or zlayer save',
  positionals: { usage: '', min: 0, max: 0 },
  options: {
    input: {
      kind: 'text',
      short: 'i',
      placeholder: 'FILE',
      help: 'What to read',
      defaultText: 'standard input',
      complete: 'file',
    },
    quiet: { kind: 'boolean', short: 'q', help: 'Print digests alone' },
    ...BACKEND_OPTION,
    ...DATA_DIR_OPTION,
  },
  examples: [
    { text: 'From a file', line: 'zlayer load -i app.tar' },
    { text: 'From Docker', line: 'docker save app:1.0 | zlayer load' },
  ],
  run: async (context, { values }) => {
    await requireStore(context, values.backend, 'zlayer load');
    const bytes = openInput(context, { path: values.input ?? '-', what: 'archive', example: 'zlayer load -i FILE' });
    const loaded = await context.services.load(
      { bytes, dataDir: values['data-dir'] },
      { signal: context.signal, onEvent: () => undefined },
    );
    for (const { reference, digest } of loaded) {
      const name = reference === undefined ? digest : familiarName(reference);
      context.stdout.write(values.quiet ? `${digest}\n` : `Loaded: ${name}\n`);
    }
    return undefined;
  },
});
