import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { BuildError, type Digest, formatReference, parseReference, type RunContext } from '../../core/index.ts';
import type { Descriptor } from '../../oci/index.ts';
import type { Store } from '../../store/index.ts';
import { type LendRegistry, withRegistry } from '../open-registry.ts';
import type { ImageReceipt, PushImageInput } from '../types.ts';
import { withAuthFile } from './auth-file.ts';
import { callBuildah } from './call-buildah.ts';
import { findEntry, imageOfEntry } from './find-image.ts';
import { withLoadedImage } from './load-image.ts';
import { pushList } from './manifest-list.ts';
import { pushLoaded } from './push-loaded.ts';
import { registryOptions } from './registry-options.ts';
import { nameForBuildah } from './resolve-base.ts';
import type { Buildah } from './run-buildah.ts';

export interface PushDeps {
  readonly buildah: Buildah;
  readonly registry: LendRegistry;
  readonly workDir: string;
}

/**
 * Sends an image, or a list with its members, to a registry. Credentials go to buildah in a file.
 *
 * @throws BuildError `IMAGE_NOT_FOUND`, `REGISTRY_*`, `REFERENCE_INVALID`.
 */
export async function pushImage(deps: PushDeps, input: PushImageInput, context: RunContext): Promise<ImageReceipt> {
  const { buildah } = deps;
  const entry = await findEntry(deps, input.image, context);
  const target = destinationOf(input);
  const { credentials, byDigest = false } = input;
  if ((await imageOfEntry(buildah, entry, context)) === undefined) {
    const [list = input.image] = entry.references;
    const signIns = credentials === undefined ? {} : { credentials };
    return pushList(deps, { list, destination: formatReference(target), byDigest, ...signIns }, context);
  }
  // To registries buildah compresses whatever it is told, leaves what they have of the base as it is, and sets a tag.
  if (input.compression === 'none' || input.forceCompression === true || byDigest) {
    return pushByOurselves(deps, { input, id: entry.id, target }, context);
  }
  const name = nameForBuildah(target);
  const transfer = { kind: 'transfer', id: `push ${name}`, direction: 'push', name } as const;
  context.emit({ ...transfer, time: Date.now(), currentBytes: 0, done: false });
  const digest = await push(deps, { input, id: entry.id, target }, context);
  const { registry, repository } = target;
  const descriptor = await withRegistry(deps.registry, credentials, async (client) => {
    const { descriptor: sent } = await (await client()).fetchManifest({ registry, repository, digest }, context);
    return sent;
  });
  context.emit({ ...transfer, time: Date.now(), currentBytes: 0, done: true });
  return { reference: formatReference(target), digest, mediaType: descriptor.mediaType, sizeBytes: descriptor.size };
}

function destinationOf({ image, destination }: PushImageInput): ReturnType<typeof parseReference> {
  const target = parseReference(destination ?? image);
  if (target.digest === undefined) return target;
  throw new BuildError('REFERENCE_INVALID', `"${destination ?? image}" is no name to push to: it has a digest.`, {
    hint: 'Name a repository and a tag.',
  });
}

interface Push {
  readonly input: PushImageInput;
  readonly id: string;
  readonly target: ReturnType<typeof parseReference>;
}

async function push(deps: PushDeps, { input, id, target }: Push, context: RunContext): Promise<Digest> {
  const directory = await mkdtemp(join(deps.workDir, 'push-'));
  const digestFile = join(directory, 'digest');
  try {
    await withAuthFile(deps.buildah.env, input.credentials, async (auth) => {
      const options = ['--quiet', `--digestfile=${digestFile}`, ...compressionOptions(input)];
      const args = [
        'push',
        ...options,
        ...registryOptions(target.registry),
        ...auth,
        id,
        `docker://${formatReference(target)}`,
      ];
      const subject = { action: `push ${formatReference(target)}`, registry: target.registry };
      return callBuildah(deps.buildah, { args, subject }, context);
    });
    return (await readFile(digestFile, 'utf8')).trim() as Digest;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function pushByOurselves(deps: PushDeps, { input, id, target }: Push, context: RunContext): Promise<ImageReceipt> {
  return withRegistry(deps.registry, input.credentials, (lend) => {
    const work = async (store: Store, descriptor: Descriptor): Promise<ImageReceipt> =>
      pushLoaded(
        { store, client: await lend() },
        { descriptor, target, byDigest: input.byDigest === true, compression: input },
        context,
      );
    return withLoadedImage(deps, { image: id, work }, context);
  });
}

function compressionOptions({ compression, compressionLevel }: PushImageInput): readonly string[] {
  return [
    ...(compression === undefined ? [] : [`--compression-format=${compression}`]),
    ...(compressionLevel === undefined ? [] : [`--compression-level=${compressionLevel}`]),
  ];
}
