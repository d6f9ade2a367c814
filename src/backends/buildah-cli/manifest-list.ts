import {
  BuildError,
  isBuildError,
  parsePlatform,
  parseReference,
  platformOfHost,
  type RunContext,
} from '../../core/index.ts';
import { type Descriptor, platformOfDescriptor } from '../../oci/index.ts';
import type { Store } from '../../store/index.ts';
import { type LendRegistry, withRegistry } from '../open-registry.ts';
import type { ImageReceipt, ManifestAddInput, ManifestList } from '../types.ts';
import { type RequestCredentials, withAuthFile } from './auth-file.ts';
import { callBuildah } from './call-buildah.ts';
import { findEntry, imageOfEntry, nameToGive, type StorageEntry } from './find-image.ts';
import { readListDocument } from './list-document.ts';
import { withLoadedImage } from './load-image.ts';
import { pushLoaded } from './push-loaded.ts';
import { registryOptions } from './registry-options.ts';
import { nameForBuildah } from './resolve-base.ts';
import type { Buildah } from './run-buildah.ts';

interface ListDeps {
  readonly buildah: Buildah;
  /** For temporary files. */
  readonly workDir: string;
}

/** A new, empty list. An empty one that is there already will do. @throws BuildError `USAGE` when the name is taken. */
export async function createList(deps: ListDeps, name: string, context: RunContext): Promise<ManifestList> {
  const reference = nameToGive(name);
  const taken = await findEntry(deps, reference, context).catch(ignoreMissing);
  if (taken === undefined) {
    const subject = { action: `make the manifest list ${reference}` };
    await callBuildah(deps.buildah, { args: ['manifest', 'create', reference], subject }, context);
    return describeList(deps, reference, context);
  }
  const isImage = (await imageOfEntry(deps.buildah, taken, context)) !== undefined;
  const list = isImage ? undefined : await describeList(deps, reference, context);
  if (list !== undefined && list.members.length === 0) return list;
  throw new BuildError('USAGE', `The manifest list ${name} cannot be made: there is an image of that name.`, {
    hint: `Choose another name, or take this one away with \`zlayer rmi ${name}\`.`,
  });
}

function ignoreMissing(error: unknown): undefined {
  if (isBuildError(error, 'IMAGE_NOT_FOUND')) return undefined;
  throw error;
}

/** Finds a list by name. @throws BuildError `IMAGE_NOT_FOUND`, `USAGE` when the name is that of a single image. */
async function requireList(deps: ListDeps, name: string, context: RunContext): Promise<StorageEntry> {
  const entry = await findEntry(deps, nameToGive(name), context).catch((error: unknown) => {
    if (!isBuildError(error, 'IMAGE_NOT_FOUND')) throw error;
    throw new BuildError('IMAGE_NOT_FOUND', `There is no manifest list "${name}" in buildah's storage.`, {
      hint: `Make it with \`zlayer manifest create ${name}\`.`,
    });
  });
  if ((await imageOfEntry(deps.buildah, entry, context)) === undefined) return entry;
  throw new BuildError('USAGE', `"${name}" is the name of an image, not of a manifest list.`, {
    hint: 'Make a list under another name with `zlayer manifest create`, and add the image to it.',
  });
}

async function describeList(deps: ListDeps, reference: string, context: RunContext): Promise<ManifestList> {
  const { descriptor, index } = await readListDocument(deps, reference, context);
  const { digest, mediaType, size } = descriptor;
  const members = index.manifests.map((member) => ({
    digest: member.digest,
    mediaType: member.mediaType,
    sizeBytes: member.size,
    platform: member.platform === undefined ? undefined : platformOfDescriptor(member.platform),
    annotations: member.annotations ?? {},
  }));
  return { reference, digest, mediaType, sizeBytes: size, members };
}

/** @throws BuildError as `requireList`. */
export async function inspectList(deps: ListDeps, name: string, context: RunContext): Promise<ManifestList> {
  await requireList(deps, name, context);
  return describeList(deps, nameToGive(name), context);
}

/** Adds an image of the storage, else of a registry. @throws BuildError as `requireList`, `REGISTRY_*`, `USAGE`. */
export async function addToList(deps: ListDeps, input: ManifestAddInput, context: RunContext): Promise<ManifestList> {
  const { buildah } = deps;
  await requireList(deps, input.list, context);
  const list = nameToGive(input.list);
  const local = await findEntry(deps, input.image, context).catch(ignoreMissing);
  await withAuthFile(buildah.env, input.credentials, async (auth) => {
    const remote = local === undefined ? parseReference(input.image) : undefined;
    const member = remote === undefined ? `containers-storage:@${local!.id}` : `docker://${nameForBuildah(remote)}`;
    const access = remote === undefined ? [] : [...registryOptions(remote.registry), ...auth];
    const args = [
      'manifest',
      'add',
      ...access,
      ...platformOptions(input.platform),
      ...annotationOptions(input),
      list,
      member,
    ];
    const subject = {
      action: `add ${input.image} to ${input.list}`,
      ...(remote === undefined ? {} : { registry: remote.registry }),
    };
    await callBuildah(buildah, { args, subject }, context);
  });
  return describeList(deps, list, context);
}

function platformOptions(text: string | undefined): readonly string[] {
  if (text === undefined) return [];
  const { os, architecture, variant } = parsePlatform(text, platformOfHost('linux', process.arch));
  return [`--os=${os}`, `--arch=${architecture}`, ...(variant === undefined ? [] : [`--variant=${variant}`])];
}

function annotationOptions({ annotations = {} }: ManifestAddInput): readonly string[] {
  return Object.entries(annotations).map(([name, value]) => `--annotation=${name}=${value}`);
}

/** @throws BuildError `IMAGE_NOT_FOUND` when the list has no such member; as `requireList`. */
export async function removeFromList(
  deps: ListDeps,
  { list, digest }: { readonly list: string; readonly digest: string },
  context: RunContext,
): Promise<ManifestList> {
  const { members } = await inspectList(deps, list, context);
  if (!members.some((member) => member.digest === digest)) {
    throw new BuildError('IMAGE_NOT_FOUND', `The manifest list "${list}" has no member ${digest}.`, {
      hint: `See \`zlayer manifest inspect ${list}\`.`,
    });
  }
  const args = ['manifest', 'remove', nameToGive(list), digest];
  await callBuildah(deps.buildah, { args, subject: { action: `take ${digest} out of ${list}` } }, context);
  return describeList(deps, nameToGive(list), context);
}

/**
 * Sends all members, and then the list, by our own client: `buildah manifest push` 1.28 ends with 0 and without a word when a
 * registry refuses a member.
 *
 * @throws BuildError `USAGE` for an empty list; as `requireList`, `REGISTRY_*`.
 */
export async function pushList(
  deps: ListDeps & { readonly registry: LendRegistry },
  input: {
    readonly list: string;
    readonly destination?: string;
    readonly byDigest?: boolean;
    readonly credentials?: RequestCredentials;
  },
  context: RunContext,
): Promise<ImageReceipt> {
  const list = await inspectList(deps, input.list, context);
  if (list.members.length === 0) {
    throw new BuildError('USAGE', `The manifest list "${input.list}" cannot be pushed: it is empty.`, {
      hint: `Add images with \`zlayer manifest add ${input.list} IMAGE\`.`,
    });
  }
  const target = parseReference(input.destination ?? input.list);
  return withRegistry(deps.registry, input.credentials, (lend) => {
    const push = async (store: Store, descriptor: Descriptor): Promise<ImageReceipt> =>
      pushLoaded(
        { store, client: await lend() },
        { descriptor, target, byDigest: input.byDigest ?? false, compression: {} },
        context,
      );
    return withLoadedImage(deps, { image: list.reference, work: push }, context);
  });
}
