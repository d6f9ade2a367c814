import { BuildError, type Digest, familiarReference, parseReference } from '../../core/index.ts';
import {
  type Descriptor,
  encodeIndex,
  findDocument,
  type Index,
  MEDIA_TYPES,
  mediaFamilyOf,
  platformOfDescriptor,
} from '../../oci/index.ts';
import type { Store } from '../../store/index.ts';
import type { ManifestList } from '../types.ts';
import { nameToGive, receiptOf } from './image-operations.ts';

/** A manifest list as it stands in the store. */
export interface StoredList {
  readonly reference: string;
  readonly descriptor: Descriptor;
  readonly index: Index;
}

const EMPTY: Index = { schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests: [] };

/** A new, empty list. An empty one that is there already will do. @throws BuildError `USAGE` when the name is taken. */
export async function createManifestList(store: Store, name: string): Promise<ManifestList> {
  const reference = nameToGive(name);
  const taken = await store.images.get(reference);
  const descriptor = await putIndex(store, EMPTY);
  if (taken === undefined) await store.images.set([reference], descriptor);
  else if (taken.descriptor.digest !== descriptor.digest) {
    const word = familiarReference(parseReference(reference));
    throw new BuildError('USAGE', `The manifest list ${word} cannot be made: there is an image of that name.`, {
      hint: `Choose another name, or take this one away with \`zlayer rmi ${word}\`.`,
    });
  }
  return toManifestList({ reference, descriptor, index: EMPTY });
}

/** @throws BuildError `IMAGE_NOT_FOUND`; `USAGE` when the name is that of a single image; `BLOB_MISSING`. */
export async function openManifestList(store: Store, name: string): Promise<StoredList> {
  const reference = nameToGive(name);
  const found = await store.images.get(reference);
  if (found === undefined) {
    throw new BuildError('IMAGE_NOT_FOUND', `There is no manifest list "${name}" in the store.`, {
      hint: `Make it with \`zlayer manifest create ${name}\`.`,
    });
  }
  const document = await findDocument(store.blobs, found.descriptor);
  if (document?.kind === 'index') return { reference, descriptor: found.descriptor, index: document.index };
  if (document !== undefined) {
    throw new BuildError('USAGE', `"${name}" is the name of an image, not of a manifest list.`, {
      hint: 'Make a list under another name with `zlayer manifest create`, and add the image to it.',
    });
  }
  throw new BuildError(
    'BLOB_MISSING',
    `The manifest list "${name}" is damaged: ${found.descriptor.digest} is missing.`,
  );
}

/** So many others may change a list meanwhile: every round at least one of them is done. */
const MOST_ROUNDS = 1000;

/**
 * Changes a list, whoever else does so at the same time: of changes at once none is lost.
 *
 * @throws BuildError as `openManifestList`, and what `change` throws.
 */
export async function changeManifestList(
  store: Store,
  name: string,
  change: (members: readonly Descriptor[]) => readonly Descriptor[],
): Promise<ManifestList> {
  for (let round = 0; round < MOST_ROUNDS; round += 1) {
    const { reference, descriptor, index } = await openManifestList(store, name);
    const next = withMembers(index, change(index.manifests));
    const replacement = await putIndex(store, next);
    const isSame = replacement.digest === descriptor.digest;
    if (isSame || (await store.images.replace(reference, descriptor.digest, replacement))) {
      return toManifestList({ reference, descriptor: replacement, index: next });
    }
  }
  throw new BuildError('STORE_LOCKED', `The manifest list "${name}" was changed by others all the time.`);
}

/** Members with the same digest are replaced where they stand; others come last. */
export function replaceMembers(before: readonly Descriptor[], added: readonly Descriptor[]): readonly Descriptor[] {
  const byDigest = new Map<Digest, Descriptor>();
  for (const member of [...before, ...added]) byDigest.set(member.digest, member);
  return [...byDigest.values()];
}

/**
 * An index over members. Docker's list holds images of Docker's types alone and knows no annotations; with anything else it
 * is an OCI index, which may list any type.
 */
export function withMembers(index: Index, manifests: readonly Descriptor[]): Index {
  const { mediaType: _, ...rest } = index;
  const plain = manifests.every((member) => mediaFamilyOf(member) === 'docker' && member.annotations === undefined);
  const { annotations, subject, artifactType } = index;
  const isDocker =
    manifests.length > 0 && plain && [annotations, subject, artifactType].every((each) => each === undefined);
  return { ...rest, mediaType: isDocker ? MEDIA_TYPES.dockerIndex : MEDIA_TYPES.ociIndex, manifests };
}

/** Writes an index, durable. */
export async function putIndex(store: Store, index: Index): Promise<Descriptor> {
  const blob = await store.blobs.put(encodeIndex(index));
  await store.sync([blob]);
  return { mediaType: index.mediaType ?? MEDIA_TYPES.ociIndex, digest: blob.digest, size: blob.sizeBytes };
}

/** A list as operations tell it. */
export function toManifestList({ reference, descriptor, index }: StoredList): ManifestList {
  const members = index.manifests.map(({ digest, mediaType, size, platform, annotations }) => ({
    digest,
    mediaType,
    sizeBytes: size,
    platform: platform === undefined ? undefined : platformOfDescriptor(platform),
    annotations: annotations ?? {},
  }));
  return { ...receiptOf(reference, descriptor), members };
}
