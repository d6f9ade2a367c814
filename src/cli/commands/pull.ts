import { formatReference, parseReference } from '../../core/index.ts';
import { defineCommand } from '../command.ts';
import { choosePlatform } from '../images/choose-platform.ts';
import { requireStore } from '../images/with-images.ts';
import { BACKEND_OPTION, DATA_DIR_OPTION, PROGRESS_OPTION } from '../options/shared-options.ts';
import { openProgress } from '../progress/choose-progress.ts';
import { familiarName } from '../report/format-result.ts';

/** `zlayer pull` */
export const pullCommand = defineCommand({
  name: 'pull',
  summary: 'Fetch an image from a registry into the store',
  positionals: { usage: 'NAME[:TAG|@DIGEST]', min: 1, max: 1, complete: 'image' },
  options: {
    platform: {
      kind: 'text',
      placeholder: 'OS/ARCH',
      help: 'Which image of an index',
      defaultText: 'that of this machine',
    },
    quiet: { kind: 'boolean', short: 'q', help: 'Print nothing but the digest' },
    'all-tags': {
      kind: 'refused',
      short: 'a',
      takesValue: false,
      accepts: ['false'],
      help: 'images are pulled one by one',
    },
    ...PROGRESS_OPTION,
    ...BACKEND_OPTION,
    ...DATA_DIR_OPTION,
  },
  examples: [
    { text: 'From Docker Hub', line: 'zlayer pull debian:12' },
    { text: 'For another platform', line: 'zlayer pull --platform linux/arm64 ghcr.io/team/app:1.0' },
  ],
  run: async (context, { values, positionals }) => {
    const reference = parseReference(positionals[0]!);
    await requireStore(context, values.backend, 'zlayer pull');
    const platform = values.platform === undefined ? undefined : choosePlatform(values.platform).platform;
    const progress = openProgress(context, values.quiet ? 'quiet' : values.progress);
    try {
      const pulled = await context.services.pull(
        { reference, platform, dataDir: values['data-dir'] },
        { signal: context.signal, onEvent: progress.onEvent },
      );
      progress.close();
      context.stdout.write(
        values.quiet ? `${pulled.digest}\n` : `${familiarName(formatReference(reference))}: ${pulled.digest}\n`,
      );
    } finally {
      progress.close();
    }
    return undefined;
  },
});
