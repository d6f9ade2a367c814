import { defineCommand } from '../command.ts';
import { moveImage } from '../images/move-image.ts';
import { readBackend } from '../options/read-backend.ts';
import { BACKEND_OPTION, DATA_DIR_OPTION, PROGRESS_OPTION } from '../options/shared-options.ts';

/** `zlayer manifest push` */
export const manifestPushCommand = defineCommand({
  name: 'manifest push',
  summary: 'Send a manifest list with all its images to a registry',
  details: [
    'Images go first, each under its digest; the list comes last, so that whoever asks for it finds all of it.',
  ],
  positionals: { usage: 'LIST [DESTINATION]', min: 1, max: 2, complete: 'image' },
  options: {
    quiet: { kind: 'boolean', short: 'q', help: 'Print nothing but the digest' },
    purge: { kind: 'boolean', short: 'p', help: 'Take the list away from the store afterwards' },
    all: { kind: 'boolean', help: "Accepted as buildah's; all images are sent anyway" },
    ...PROGRESS_OPTION,
    ...BACKEND_OPTION,
    ...DATA_DIR_OPTION,
  },
  examples: [
    { text: 'To where its name says', line: 'zlayer manifest push registry.example.com/team/app:1.0' },
    { text: 'Under another name', line: 'zlayer manifest push app:1.0 registry.example.com/team/app:1.0' },
  ],
  run: async (context, { values, positionals: [list, destination] }) => {
    const use = { backend: await readBackend(values.backend), dataDir: values['data-dir'] };
    await moveImage(context, values, (observed) =>
      context.services.withBackend(use, observed, async (backend, inner) => {
        const input = { list: list!, ...(destination === undefined ? {} : { destination }) };
        const receipt = await backend.manifestPush(input, inner);
        if (values.purge) await backend.removeImage(list!, inner);
        return receipt;
      }),
    );
    return undefined;
  },
});
