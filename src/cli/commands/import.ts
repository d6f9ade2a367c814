import { parseReference } from '../../core/index.ts';
import { defineCommand } from '../command.ts';
import { choosePlatform } from '../images/choose-platform.ts';
import { requireStore } from '../images/with-images.ts';
import { BACKEND_OPTION, DATA_DIR_OPTION } from '../options/shared-options.ts';
import { familiarName } from '../report/format-result.ts';
import { openInput } from '../request/open-input.ts';

/** `zlayer import` */
export const importCommand = defineCommand({
  name: 'import',
  summary: "Make an image of a root file system's tar",
  details: ['The tar may be plain or compressed (gzip, bzip2, xz, zstd). It becomes the only layer.'],
  positionals: { usage: 'FILE|- [NAME[:TAG]]', min: 1, max: 2, complete: 'file' },
  options: {
    change: {
      kind: 'list',
      short: 'c',
      placeholder: 'INSTRUCTION',
      help: 'Dockerfile instruction that sets the config, such as "CMD [\\"sh\\"]"',
    },
    message: { kind: 'text', short: 'm', placeholder: 'TEXT', help: 'Comment in the history' },
    platform: {
      kind: 'text',
      placeholder: 'OS/ARCH',
      help: 'What the files are made for',
      defaultText: 'this machine',
    },
    quiet: { kind: 'boolean', short: 'q', help: 'Print nothing but the digest' },
    ...BACKEND_OPTION,
    ...DATA_DIR_OPTION,
  },
  examples: [
    {
      text: 'A Debian made by mmdebstrap',
      line: 'mmdebstrap --variant=minbase bookworm - | zlayer import - debian:12',
    },
    {
      text: 'With a command and a variable',
      line: "zlayer import -c 'CMD [\"/bin/sh\"]' -c 'ENV LANG=C.UTF-8' rootfs.tar base",
    },
  ],
  run: async (context, { values, positionals: [path, name] }) => {
    await requireStore(context, values.backend, 'zlayer import');
    const reference = name === undefined ? undefined : parseReference(name);
    const bytes = openInput(context, { path: path!, what: 'root file system', example: 'zlayer import FILE' });
    const image = await context.services.importRootfs(
      {
        bytes,
        reference,
        changes: values.change,
        message: values.message,
        platform: values.platform === undefined ? undefined : choosePlatform(values.platform).platform,
        dataDir: values['data-dir'],
      },
      { signal: context.signal, onEvent: () => undefined },
    );
    const prefix = values.quiet || image.reference === undefined ? '' : `${familiarName(image.reference)}: `;
    context.stdout.write(`${prefix}${image.digest}\n`);
    return undefined;
  },
});
