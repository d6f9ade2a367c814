import { BuildError, formatReference, parseReference, type RunContext } from '../core/index.ts';
import type { CompressOptions } from '../outputs/index.ts';
import type { RegistryClient } from '../registry/index.ts';
import type { Store } from '../store/index.ts';
import type { BuildRequest, BuildResult, LayerCompression, OutputInput } from './types.ts';

interface OutputDeps {
  readonly store: Store;
  readonly registry: () => Promise<RegistryClient>;
}

interface BuiltImage {
  readonly request: BuildRequest;
  readonly built: BuildResult;
}

/**
 * Refuses, before anything runs, what an output of this request could not do afterwards.
 *
 * @throws BuildError `UNSUPPORTED` for zstd where Node.js has none, `USAGE` for a push of an image without a name.
 */
export async function checkOutputs(request: BuildRequest): Promise<void> {
  if (isPushed(request) && (request.tags ?? []).length === 0) {
    throw new BuildError('USAGE', 'There is nothing to push: the image has no name.', {
      hint: 'Name it with -t NAME.',
    });
  }
  for (const output of request.outputs ?? []) {
    if ('compression' in output && output.compression === 'zstd') {
      (await import('../outputs/index.ts')).requireZstd();
    }
  }
}

function isPushed(request: BuildRequest): boolean {
  return request.push === true || (request.outputs ?? []).some((output) => output.kind === 'image' && output.push);
}

/**
 * Takes a built image to every output of its request, one after the other, and pushes its tags where that is asked for.
 *
 * @throws BuildError `OUTPUT_FAILED`, `REGISTRY_*`.
 */
export async function writeOutputs(
  deps: OutputDeps,
  { request, built }: BuiltImage,
  context: RunContext,
): Promise<void> {
  const outputs = request.outputs ?? [];
  for (const output of outputs) await writeOutput(deps, { output, built }, context);
  if (!isPushed(request)) return;
  const references = (request.tags ?? []).map(parseReference);
  const image = outputs.find((output) => output.kind === 'image');
  const { store } = deps;
  const { writeRegistryOutput } = await import('../outputs/index.ts');
  const client = await deps.registry();
  const descriptor = descriptorOf(built);
  await writeRegistryOutput({ store, client }, { descriptor, references, ...compressionOf(image ?? {}) }, context);
}

function compressionOf({ compression, compressionLevel }: LayerCompression): CompressOptions {
  return { compression: compression ?? 'gzip', level: compressionLevel };
}

function descriptorOf(built: BuildResult): { mediaType: string; digest: BuildResult['digest']; size: number } {
  return { mediaType: built.mediaType, digest: built.digest, size: built.manifestSizeBytes };
}

async function writeOutput(
  deps: OutputDeps,
  { output, built }: { readonly output: OutputInput; readonly built: BuildResult },
  context: RunContext,
): Promise<void> {
  const { store } = deps;
  if (output.kind === 'image' || output.kind === 'cacheonly') return;
  const outputs = await import('../outputs/index.ts');
  const descriptor = descriptorOf(built);
  const images = [{ descriptor, references: built.references.map((text) => formatReference(parseReference(text))) }];
  switch (output.kind) {
    case 'oci': {
      const { destination, tar } = output;
      return outputs.writeOciOutput({ store }, { images, destination, tar, ...compressionOf(output) }, context);
    }
    case 'docker':
      return outputs.writeDockerOutput(
        { store },
        { images, destination: output.destination, compression: 'none' },
        context,
      );
    case 'tar':
      return outputs.writeTarOutput({ store }, { descriptor, destination: output.destination }, context);
    case 'local':
      return outputs.writeLocalOutput({ store }, { descriptor, destination: output.destination }, context);
  }
}
