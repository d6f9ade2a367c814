import {
  BuildError,
  type Digest,
  formatReference,
  isBuildError,
  parseReference,
  type RunContext,
} from '../../core/index.ts';
import { callBuildah } from './call-buildah.ts';
import type { StoredImage } from './image-memory.ts';
import { readListDocument } from './list-document.ts';
import { nameForBuildah } from './resolve-base.ts';
import type { Buildah } from './run-buildah.ts';
import { readStoredImage } from './stored-image.ts';

/** An entry of buildah's storage: an image, or a manifest list. */
export interface StorageEntry {
  /** Hex digits. */
  readonly id: string;
  readonly digest: Digest;
  /** Full references, sorted. */
  readonly references: readonly string[];
  readonly createdMs: number;
}

interface ListedImage {
  readonly id: string;
  readonly names: readonly string[] | null;
  readonly digest: Digest;
  readonly createdatraw: string;
}

/** Everything in the storage; `all` has what builds left as their cache, too. */
export async function listEntries(
  buildah: Buildah,
  { all }: { readonly all: boolean },
  context: RunContext,
): Promise<readonly StorageEntry[]> {
  const args = ['images', '--json', '--no-trunc', ...(all ? ['--all'] : [])];
  const printed = await callBuildah(buildah, { args, subject: { action: 'list its images' } }, context);
  const entries = new Map<string, StorageEntry>();
  for (const { id, names, digest, createdatraw } of (JSON.parse(printed || '[]') ?? []) as readonly ListedImage[]) {
    const hex = id.replace(/^sha256:/, '');
    const references = [...(entries.get(hex)?.references ?? []), ...(names ?? [])].map(fullName).toSorted();
    entries.set(hex, { id: hex, digest, references: [...new Set(references)], createdMs: Date.parse(createdatraw) });
  }
  return [...entries.values()];
}

function fullName(name: string): string {
  try {
    return formatReference(parseReference(name));
  } catch {
    return name;
  }
}

const ID = /^(?:sha256:)?([0-9a-f]{4,64})$/;

/**
 * Finds an image or a list by name, by digest, or by the start of its id.
 *
 * @throws BuildError `IMAGE_NOT_FOUND`, `REFERENCE_INVALID`, `USAGE` for an ambiguous id.
 */
export async function findEntry(
  deps: { readonly buildah: Buildah; readonly workDir: string },
  word: string,
  context: RunContext,
): Promise<StorageEntry> {
  const { buildah } = deps;
  const entries = await listEntries(buildah, { all: true }, context);
  const id = ID.exec(word)?.[1];
  const named = word.startsWith('sha256:') ? undefined : findByName(entries, word, id !== undefined);
  if (named !== undefined) return named;
  const matches = id === undefined ? [] : entries.filter((entry) => entry.digest === word || entry.id.startsWith(id));
  const exact = matches.find((entry) => entry.digest === word) ?? (matches.length === 1 ? matches[0] : undefined);
  if (exact !== undefined) return exact;
  if (matches.length > 1) {
    throw new BuildError('USAGE', `The image id ${word} is ambiguous: ${matches.length} images begin with it.`, {
      hint: 'Give more of its digits.',
    });
  }
  const list = isDigest(word) ? await findList(deps, { entries, digest: word }, context) : undefined;
  if (list !== undefined) return list;
  throw new BuildError('IMAGE_NOT_FOUND', `There is no image "${word}" in buildah's storage.`, {
    hint: 'See `zlayer images --backend buildah-cli`.',
  });
}

function isDigest(word: string): boolean {
  return /^sha256:[0-9a-f]{64}$/.test(word);
}

/** The digest of a list is known once it is written out: the newest first, since that is mostly the one. */
async function findList(
  deps: { readonly buildah: Buildah; readonly workDir: string },
  { entries, digest }: { readonly entries: readonly StorageEntry[]; readonly digest: string },
  context: RunContext,
): Promise<StorageEntry | undefined> {
  const named = entries.filter(({ references }) => references.length > 0);
  for (const entry of named.toSorted((a, b) => b.createdMs - a.createdMs)) {
    if ((await imageOfEntry(deps.buildah, entry, context)) !== undefined) continue;
    const { descriptor } = await readListDocument(deps, entry.id, context);
    if (descriptor.digest === digest) return entry;
  }
  return undefined;
}

function findByName(entries: readonly StorageEntry[], word: string, mayBeId: boolean): StorageEntry | undefined {
  try {
    const reference = parseReference(word);
    const name = nameForBuildah(reference);
    const { registry, repository, digest } = reference;
    const repositoryName = formatReference({ registry, repository });
    return entries.find(({ references, digest: own }) =>
      digest === undefined
        ? references.includes(name)
        : own === digest && references.some((each) => each.replace(/[:@][^/]*$/, '') === repositoryName),
    );
  } catch (error) {
    if (mayBeId && isBuildError(error)) return undefined;
    throw error;
  }
}

/** The image of an entry; undefined for a manifest list, which buildah answers with one of its members. */
export async function imageOfEntry(
  buildah: Buildah,
  entry: StorageEntry,
  context: RunContext,
): Promise<StoredImage | undefined> {
  const key = `${entry.id} ${entry.digest}`;
  const known = buildah.memory.get(key);
  if (known !== undefined) return known;
  const image = await readStoredImage(buildah, entry.id, context).catch((error: unknown) => {
    // An empty list, or one without a member for this host.
    if (isBuildError(error, 'BACKEND_FAILED') || isBuildError(error, 'PLATFORM_NOT_FOUND')) return undefined;
    throw error;
  });
  if (image?.id !== entry.id) return undefined;
  buildah.memory.set(key, image);
  return image;
}

/** A full reference that can be given to an image. @throws BuildError `REFERENCE_INVALID`, also for one with a digest. */
export function nameToGive(text: string): string {
  const reference = parseReference(text);
  if (reference.digest === undefined) return formatReference(reference);
  throw new BuildError('REFERENCE_INVALID', `"${text}" cannot be given as a name: it has a digest.`, {
    hint: 'Leave out the part from @ on.',
  });
}
