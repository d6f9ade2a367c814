import { createWriteStream, rmSync } from 'node:fs';
import { resolve } from 'node:path';
import type { BuildBackend } from '../../backends/index.ts';
import { BuildError, type RunContext } from '../../core/index.ts';
import type { Store } from '../../store/index.ts';
import { type CommandContext, defineCommand } from '../command.ts';
import { onlyInStore, withImages } from '../images/with-images.ts';
import { BACKEND_OPTION, DATA_DIR_OPTION } from '../options/shared-options.ts';
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
    ...BACKEND_OPTION,
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
    const save: Save = {
      words: positionals,
      format: values.format === 'oci' ? 'oci' : 'docker',
      path: values.output,
      dataDir: values['data-dir'],
    };
    await withImages(context, values, {
      inStore: (store) => saveFromStore(context, store, save),
      inBackend: (backend, inner) => saveFromBackend(context, backend, { save, inner }),
    });
    return undefined;
  },
});

interface Save {
  readonly words: readonly string[];
  readonly format: 'docker' | 'oci';
  readonly path: string | undefined;
  readonly dataDir: string | undefined;
}

async function saveFromStore(context: CommandContext, store: Store, save: Save): Promise<void> {
  const images = [];
  for (const word of save.words) {
    const { image, descriptor, byName } = await store.images.find(word);
    images.push({ reference: byName ? image.reference : undefined, descriptor });
  }
  await context.services.save(
    {
      images,
      format: save.format,
      write: (bytes) => writeBytes(context, save.path, bytes),
      dataDir: save.dataDir,
    },
    { signal: context.signal, onEvent: () => undefined },
  );
}

async function saveFromBackend(
  { cwd }: CommandContext,
  backend: BuildBackend,
  { save, inner }: { readonly save: Save; readonly inner: RunContext },
): Promise<void> {
  const [image, ...others] = save.words;
  if (others.length > 0) throw onlyInStore('Saving several images at once', backend);
  const { references } = await backend.inspectImage(image!, inner);
  const destination = save.path === undefined || save.path === '-' ? '-' : resolve(cwd, save.path);
  const output =
    save.format === 'oci'
      ? ({ kind: 'oci', destination, tar: true } as const)
      : ({ kind: 'docker', destination } as const);
  await backend.exportImage({ image: image!, references, output }, inner);
}

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
