import { createWriteStream, rmSync } from 'node:fs';
import { resolve } from 'node:path';
import { BuildError } from '../../core/index.ts';
import { type CommandContext, defineCommand } from '../command.ts';
import { DATA_DIR_OPTION } from '../options/shared-options.ts';
import { usage } from '../options/values.ts';

/** `zlayer save` */
export const saveCommand = defineCommand({
  name: 'save',
  summary: 'Write images to a tar that docker load, podman load and zlayer load take',
  positionals: { usage: 'IMAGE [IMAGE...]', min: 1, max: Number.POSITIVE_INFINITY, complete: 'image' },
  options: {
    output: {
      kind: 'text',
      short: 'o',
      placeholder: 'FILE',
      help: 'Where to write',
      defaultText: 'standard output',
      complete: 'file',
    },
    format: {
      kind: 'text',
      placeholder: 'FORMAT',
      help: 'What kind of archive',
      choices: ['docker', 'oci'],
      defaultText: 'docker',
    },
    ...DATA_DIR_OPTION,
  },
  examples: [
    { text: 'Into a file', line: 'zlayer save -o app.tar app:1.0' },
    { text: 'Straight into Docker', line: 'zlayer save app:1.0 | docker load' },
    { text: 'An OCI archive for skopeo', line: 'zlayer save --format oci app:1.0 > app-oci.tar' },
  ],
  run: async (context, { values, positionals }) => {
    if (values.output === undefined && context.stdout.isTerminal) {
      throw usage('The archive would go to a terminal.', 'Redirect standard output, or name a file with -o FILE.');
    }
    const store = await context.services.openStore(values['data-dir']);
    const images = [];
    for (const word of positionals) {
      const { image, descriptor, byName } = await store.images.find(word);
      images.push({ reference: byName ? image.reference : undefined, descriptor });
    }
    await context.services.save(
      {
        images,
        format: values.format === 'oci' ? 'oci' : 'docker',
        write: (bytes) => writeBytes(context, values.output, bytes),
        dataDir: values['data-dir'],
      },
      { signal: context.signal, onEvent: () => undefined },
    );
    return undefined;
  },
});

async function writeBytes(
  context: CommandContext,
  path: string | undefined,
  bytes: AsyncIterable<Uint8Array>,
): Promise<void> {
  const { pipeline } = await import('node:stream/promises');
  if (path === undefined || path === '-') {
    await pipeline(bytes, context.rawStdout, { end: false, signal: context.signal });
    return;
  }
  const file = resolve(context.cwd, path);
  try {
    await pipeline(bytes, createWriteStream(file), { signal: context.signal });
  } catch (cause) {
    const { syscall } = cause as NodeJS.ErrnoException;
    if (syscall !== 'open') rmSync(file, { force: true });
    if (syscall === undefined) throw cause;
    throw new BuildError('OUTPUT_FAILED', `The archive could not be written: ${(cause as Error).message}`, { cause });
  }
}
