import { BuildError, type Digest, formatReference, parseReference } from '../core/index.ts';
import { type Descriptor, MEDIA_TYPES } from '../oci/index.ts';
import type { BackendDeps } from './backend-deps.ts';
import { type Capabilities, FEATURES } from './features.ts';
import { createNativeBackend } from './native/native-backend.ts';
import type { BuildBackend, OutputInput } from './types.ts';
import { compressionOf, writeOutput } from './write-outputs.ts';

/** Native with what `build` needs of the rest of the contract, until it has all of it itself. */
export function createInterimNative(deps: BackendDeps): BuildBackend {
  const missing = (): never => {
    throw new BuildError('UNSUPPORTED', 'The backend native does not offer this operation yet.');
  };
  const descriptorOf = async (digest: string): Promise<Descriptor> => {
    const blob = await deps.store.blobs.stat(digest as Digest);
    if (blob === undefined) throw new BuildError('IMAGE_NOT_FOUND', `There is no image ${digest} in the store.`);
    return { mediaType: MEDIA_TYPES.ociManifest, digest: blob.digest, size: blob.sizeBytes };
  };
  return {
    ...createNativeBackend(deps),
    capabilities: CAPABILITIES,
    isAvailable: async () => ({ available: true, details: 'runs in this process' }),
    exportImage: async ({ image, references, output }, context) =>
      writeOutput(
        deps.store,
        { output: output as OutputInput, descriptor: await descriptorOf(image), references },
        context,
      ),
    pushImage: async ({ image, destination, compression, compressionLevel }, context) => {
      const { writeRegistryOutput } = await import('../outputs/index.ts');
      const reference = parseReference(destination ?? image);
      const descriptor = await descriptorOf(image);
      const [pushed] = await writeRegistryOutput(
        { store: deps.store, client: await deps.registry() },
        {
          descriptor,
          references: [reference],
          ...compressionOf({ compression: compression ?? 'gzip', compressionLevel: compressionLevel as number }),
        },
        context,
      );
      const { digest, mediaType, size } = pushed!.descriptor;
      return { reference: formatReference(reference), digest, mediaType, sizeBytes: size };
    },
    tagImage: missing,
    listImages: missing,
    inspectImage: missing,
    removeImage: missing,
    prune: missing,
    manifestCreate: missing,
    manifestAdd: missing,
    manifestRemove: missing,
    manifestInspect: missing,
    manifestPush: missing,
    close: async () => undefined,
  };
}

const CAPABILITIES: Capabilities = {
  ...(Object.fromEntries(Object.keys(FEATURES).map((name) => [name, true])) as unknown as Capabilities),
  'step-device': 'no CDI devices are offered to steps',
};
