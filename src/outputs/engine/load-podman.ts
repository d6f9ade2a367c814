import { randomBytes } from 'node:crypto';
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isBuildError, type RunContext, throwIfCancelled } from '../../core/index.ts';
import { LAYOUT_FILE, layoutIndex } from '../layout-files.ts';
import { saveImages } from '../save-images.ts';
import type { NamedImage, OutputDeps } from '../types.ts';
import { chooseImage } from './choose-image.ts';
import { type ProgramCall, runProgram } from './run-program.ts';
import { sendArchive } from './send-archive.ts';
import type { Env } from './types.ts';

/** podman's command. */
export interface Podman {
  readonly program: string;
  readonly env: Env;
}

/**
 * Brings an image to podman. A podman of this host reads our store in place, as an OCI image layout, and takes from it the
 * layers that its own storage lacks; one elsewhere, as in a virtual machine, gets an archive.
 *
 * @throws BuildError `OUTPUT_FAILED`, `PLATFORM_NOT_FOUND`, `CANCELLED`.
 */
export async function loadIntoPodman(
  deps: OutputDeps & { readonly podman: Podman },
  image: NamedImage,
  context: RunContext,
): Promise<void> {
  const { podman } = deps;
  const { descriptor } = await chooseImage(deps, { image, engine: 'podman' }, context);
  const chosen = { descriptor, references: image.references };
  const call = (args: readonly string[], options: Options = {}): Promise<string> =>
    runProgram({ ...podman, args, ...options }, context);
  const isRemote = (await call(['info', '--format', '{{.Host.ServiceIsRemote}}'])).trim() === 'true';
  const encode = (): AsyncIterable<Uint8Array> =>
    saveImages(deps, { images: [chosen], format: 'docker', compression: 'none' }, context);
  const send = async (archive: AsyncIterable<Uint8Array>): Promise<void> => {
    await call(['load', '--quiet'], { input: archive });
  };
  const sendAll = (): Promise<void> => sendArchive({ engine: 'podman', skip: new Set(), encode, send }, context);
  if (isRemote) return sendAll();
  try {
    await pullInPlace(deps, { chosen, call }, context);
  } catch (error) {
    // What this podman cannot read in place, it may be able to load.
    if (!isBuildError(error, 'OUTPUT_FAILED')) throw error;
    await sendAll();
  }
}

type Options = Pick<ProgramCall, 'cwd' | 'input'>;

interface Pull {
  readonly chosen: NamedImage;
  readonly call: (args: readonly string[], options?: Options) => Promise<string>;
}

async function pullInPlace({ store }: OutputDeps, { chosen, call }: Pull, context: RunContext): Promise<void> {
  const { descriptor, references } = chosen;
  const name = 'load into podman';
  const progress = { kind: 'transfer', direction: 'export', id: name, name, currentBytes: 0 } as const;
  const directory = await store.makeTempDir('load');
  // podman names an image by its path: a relative one has none of the characters that names have not.
  const path = `zlayer-load-${randomBytes(8).toString('hex')}`;
  const layout = join(directory, path);
  context.emit({ ...progress, time: Date.now(), done: false });
  try {
    await mkdir(layout);
    await writeFile(join(layout, 'oci-layout'), LAYOUT_FILE);
    await writeFile(join(layout, 'index.json'), layoutIndex([descriptor]));
    await symlink(dirname(dirname(store.blobs.path(descriptor.digest))), join(layout, 'blobs'));
    throwIfCancelled(context.signal);
    const id = (await call(['pull', '--quiet', `oci:${path}`], { cwd: directory })).trim().split('\n').at(-1) ?? '';
    if (references.length > 0) await call(['tag', id, ...references]);
    const names = JSON.parse(
      await call(['image', 'inspect', '--format', '{{json .RepoTags}}', id]),
    ) as readonly string[];
    const ofPath = (names ?? []).filter((each) => each.includes(path));
    if (ofPath.length > 0) await call(['untag', id, ...ofPath]);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
  context.emit({ ...progress, time: Date.now(), done: true });
}
