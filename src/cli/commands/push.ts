import { parseReference } from '../../core/index.ts';
import { defineCommand } from '../command.ts';
import { moveImage } from '../images/move-image.ts';
import { readBackend } from '../options/read-backend.ts';
import { BACKEND_OPTION, DATA_DIR_OPTION, PROGRESS_OPTION } from '../options/shared-options.ts';

/** `zlayer push` */
export const pushCommand = defineCommand({
  name: 'push',
  summary: 'Send an image from the store to its registry',
  details: [
    'What the registry has already is not sent again. Sign in with `zlayer login`; the sign-ins of docker and podman are used too.',
  ],
  positionals: { usage: 'NAME[:TAG]', min: 1, max: 1, complete: 'image' },
  options: {
    quiet: { kind: 'boolean', short: 'q', help: 'Print nothing but the digest' },
    'all-tags': {
      kind: 'refused',
      short: 'a',
      takesValue: false,
      accepts: ['false'],
      help: 'images are pushed one by one',
    },
    'disable-content-trust': { kind: 'refused', takesValue: false, accepts: ['true'], help: 'images are not signed' },
    ...PROGRESS_OPTION,
    ...BACKEND_OPTION,
    ...DATA_DIR_OPTION,
  },
  examples: [{ text: 'Push what was built', line: 'zlayer push registry.example.com/team/app:1.0' }],
  run: async (context, { values, positionals }) => {
    const reference = parseReference(positionals[0]!);
    const backend = await readBackend(values.backend);
    await moveImage(context, values, (observed) =>
      context.services.push({ reference, backend, dataDir: values['data-dir'] }, observed),
    );
    return undefined;
  },
});
