import { parseReference } from '../../core/index.ts';
import { defineCommand } from '../command.ts';
import { choosePlatform } from '../images/choose-platform.ts';
import { moveImage } from '../images/move-image.ts';
import { requireStore } from '../images/with-images.ts';
import { BACKEND_OPTION, DATA_DIR_OPTION, PROGRESS_OPTION } from '../options/shared-options.ts';

/** `zlayer pull` */
export const pullCommand = defineCommand({
  name: 'pull',
  summary: 'Fetch an image from a registry into the store',
  details: [
    "A name without a registry is Docker Hub's. With ZLAYER_SHORT_NAMES=containers it is what registries.conf makes of it (aliases, unqualified-search-registries), here and in the FROM of builds.",
  ],
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
    const name = positionals[0]!;
    parseReference(name);
    await requireStore(context, values.backend, 'zlayer pull');
    const platform = values.platform === undefined ? undefined : choosePlatform(values.platform).platform;
    await moveImage(context, values, (observed) =>
      context.services.pull({ name, platform, dataDir: values['data-dir'] }, observed),
    );
    return undefined;
  },
});
