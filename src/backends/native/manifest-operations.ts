import { BuildError, type Digest, parseReference, type RunContext } from '../../core/index.ts';
import type { Store } from '../../store/index.ts';
import { type GivenCredentials, type LendRegistry, withRegistry } from '../open-registry.ts';
import type { ImageReceipt, ManifestAddInput, ManifestList } from '../types.ts';
import { findMembers } from './find-members.ts';
import { changeManifestList, openManifestList, replaceMembers, toManifestList } from './manifest-list.ts';
import { parseDestination, pushDescriptor } from './push-image.ts';

interface ListDeps {
  readonly store: Store;
  readonly registry: LendRegistry;
}

/** Adds an image, or the images of an index. @throws BuildError as `findMembers` and `openManifestList`. */
export async function addToManifestList(
  { store, registry }: ListDeps,
  input: ManifestAddInput,
  context: RunContext,
): Promise<ManifestList> {
  await openManifestList(store, input.list);
  const lease = await store.openLease();
  try {
    return await withRegistry(registry, input.credentials, async (client) => {
      const members = await findMembers({ store, client }, input, context);
      for (const { digest, size } of members) await lease.pinBlob({ digest, sizeBytes: size });
      return changeManifestList(store, input.list, (before) => replaceMembers(before, members));
    });
  } finally {
    await lease.release();
  }
}

/** Takes a member out. @throws BuildError `IMAGE_NOT_FOUND` when the list has no such member. */
export function removeFromManifestList(
  store: Store,
  { list, digest }: { readonly list: string; readonly digest: Digest },
): Promise<ManifestList> {
  return changeManifestList(store, list, (before) => {
    const rest = before.filter((member) => member.digest !== digest);
    if (rest.length < before.length) return rest;
    throw new BuildError('IMAGE_NOT_FOUND', `The manifest list "${list}" has no member ${digest}.`, {
      hint: `See \`zlayer manifest inspect ${list}\`.`,
    });
  });
}

/** A list with its members. @throws BuildError as `openManifestList`. */
export async function inspectManifestList(store: Store, list: string): Promise<ManifestList> {
  return toManifestList(await openManifestList(store, list));
}

/** Sends all members by digest, and then the list. @throws BuildError `USAGE` for an empty list; as `pushImage`. */
export async function pushManifestList(
  deps: ListDeps,
  input: { readonly list: string; readonly destination?: string; readonly credentials?: GivenCredentials },
  context: RunContext,
): Promise<ImageReceipt> {
  const { reference: own, descriptor, index } = await openManifestList(deps.store, input.list);
  if (index.manifests.length === 0) {
    throw new BuildError('USAGE', `The manifest list "${input.list}" cannot be pushed: it is empty.`, {
      hint: `Add images with \`zlayer manifest add ${input.list} IMAGE\`.`,
    });
  }
  const reference = input.destination === undefined ? parseReference(own) : parseDestination(input.destination);
  const { credentials } = input;
  return pushDescriptor(
    deps,
    { descriptor, reference, ...(credentials === undefined ? {} : { credentials }) },
    context,
  );
}
