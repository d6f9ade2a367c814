import type { RunContext } from '../../core/index.ts';
import { saveImages } from '../save-images.ts';
import type { NamedImage, OutputDeps } from '../types.ts';
import { listLayers } from './list-layers.ts';
import { runProgram } from './run-program.ts';
import { sendArchive } from './send-archive.ts';
import type { Env } from './types.ts';

/** `ctr`, and the containerd that it speaks to. */
export interface Ctr {
  readonly program: string;
  readonly address: string;
  /** As containerd keeps images apart: `default`, `k8s.io`, … */
  readonly namespace: string;
  readonly env: Env;
}

/**
 * Imports an image with all its platforms into containerd, through its own command. Layers that containerd has are left
 * out: it lists its blobs.
 *
 * @throws BuildError `OUTPUT_FAILED`, `CANCELLED`.
 */
export async function loadIntoContainerd(
  deps: OutputDeps & { readonly ctr: Ctr },
  image: NamedImage,
  context: RunContext,
): Promise<void> {
  const { ctr } = deps;
  const call = (args: readonly string[], input?: AsyncIterable<Uint8Array>): Promise<string> =>
    runProgram(
      {
        program: ctr.program,
        args: ['--address', ctr.address, '--namespace', ctr.namespace, ...args],
        env: ctr.env,
        ...(input === undefined ? {} : { input }),
      },
      context,
    );
  const listed = new Set((await call(['content', 'ls', '--quiet'])).split('\n').map((line) => line.trim()));
  const layers = await listLayers(deps, image.descriptor);
  await sendArchive(
    {
      engine: `containerd at ${ctr.address}`,
      skip: new Set(layers.filter((digest) => listed.has(digest))),
      encode: (skip) => saveImages(deps, { images: [image], format: 'oci', compression: 'none', skip }, context),
      send: async (archive) => {
        await call(['images', 'import', '--all-platforms', '-'], archive);
      },
    },
    context,
  );
}
