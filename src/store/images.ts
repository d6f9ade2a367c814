import { statSync } from 'node:fs';
import { BuildError } from '../core/index.ts';
import type { Descriptor, Index } from '../oci/index.ts';
import type { IndexFile } from './index-file.ts';
import type { StorePaths } from './paths.ts';
import type { BlobStore, ImageStore, StoredImage } from './types.ts';

/** Where skopeo, umoci and the image-spec (annotations.md) expect an image's name in an OCI layout. */
const NAME = 'org.opencontainers.image.ref.name';
const UPDATED = 'io.zlayer.updated';

/** What names stand on: the index's file, where blobs lie, and what they hold. */
interface ImageStoreDeps {
  readonly file: IndexFile;
  readonly paths: StorePaths;
  readonly blobs: BlobStore;
}

export function createImageStore({ file, paths, blobs }: ImageStoreDeps): ImageStore {
  const images: ImageStore = {
    get: async (reference) => {
      const found = file.read().manifests.find((entry) => nameOf(entry) === reference);
      return found === undefined ? undefined : toImage(found);
    },
    list: async () => file.read().manifests.map(toImage),
    find: async (word) => (await import('./find-image.ts')).findImage({ blobs, images }, word),
    set: async (references, descriptor) => {
      if (isSet(file.read(), references, descriptor)) return;
      await file.update((index) => {
        if (isSet(index, references, descriptor)) return undefined;
        requireBlob(paths, descriptor);
        return setNames(index, { references, descriptor, time: new Date() });
      });
    },
    replace: async (reference, from, descriptor) => {
      let replaced = false;
      await file.update((index) => {
        replaced = index.manifests.some((entry) => nameOf(entry) === reference && entry.digest === from);
        if (!replaced) return undefined;
        requireBlob(paths, descriptor);
        const others = index.manifests.filter((entry) => nameOf(entry) !== reference);
        return tidy({ ...index, manifests: [...others, entryFor(descriptor, reference, new Date())] });
      });
      return replaced;
    },
    untag: async (word, { all = false } = {}) => (await import('./untag-image.ts')).untagImage(images, word, all),
    remove: async (reference) => {
      let found = false;
      await file.update((index) => {
        found = index.manifests.some((entry) => nameOf(entry) === reference);
        return found ? removeName(index, reference) : undefined;
      });
      return found;
    },
  };
  return images;
}

/** The name of an entry of `index.json`. */
export function nameOf(entry: Descriptor): string | undefined {
  return entry.annotations?.[NAME];
}

/** Setting what is so already costs no write: an all-cached build ends here. */
function isSet(index: Index, references: readonly string[], descriptor: Descriptor): boolean {
  const wanted = references.length === 0 ? [undefined] : references;
  return wanted.every((reference) =>
    index.manifests.some(
      (entry) => (reference === undefined || nameOf(entry) === reference) && entry.digest === descriptor.digest,
    ),
  );
}

interface NewNames {
  readonly references: readonly string[];
  readonly descriptor: Descriptor;
  readonly time: Date;
}

function setNames(index: Index, { references, descriptor, time }: NewNames): Index {
  const taken = new Set(references);
  const named = references.length === 0 ? [entryFor(descriptor, undefined, time)] : [];
  const added = [...named, ...references.map((reference) => entryFor(descriptor, reference, time))];
  const kept = index.manifests.map((entry) => {
    const name = nameOf(entry);
    return name !== undefined && taken.has(name) ? withoutName(entry) : entry;
  });
  return tidy({ ...index, manifests: [...kept, ...added] });
}

function removeName(index: Index, reference: string): Index {
  const manifests = index.manifests.map((entry) => (nameOf(entry) === reference ? withoutName(entry) : entry));
  return tidy({ ...index, manifests });
}

/** Drops the nameless entries of images that have a name, or stand there more than once. */
function tidy(index: Index): Index {
  const known = new Set(index.manifests.filter((entry) => nameOf(entry) !== undefined).map((entry) => entry.digest));
  const manifests = index.manifests.filter((entry) => {
    if (nameOf(entry) !== undefined) return true;
    if (known.has(entry.digest)) return false;
    known.add(entry.digest);
    return true;
  });
  return { ...index, manifests };
}

function entryFor(descriptor: Descriptor, reference: string | undefined, time: Date): Descriptor {
  const { [NAME]: _, ...annotations } = descriptor.annotations ?? {};
  const name = reference === undefined ? {} : { [NAME]: reference };
  return { ...descriptor, annotations: { ...annotations, ...name, [UPDATED]: time.toISOString() } };
}

function withoutName(entry: Descriptor): Descriptor {
  const { [NAME]: _, ...annotations } = entry.annotations ?? {};
  return { ...entry, annotations };
}

/** The annotations that are the store's own do not come back out: a descriptor is given back as it was set. */
function toImage(entry: Descriptor): StoredImage {
  const { annotations = {}, ...bare } = entry;
  const { [NAME]: reference, [UPDATED]: updated, ...rest } = annotations;
  const descriptor = Object.keys(rest).length === 0 ? bare : { ...bare, annotations: rest };
  return { reference, descriptor, updatedMs: Date.parse(updated ?? '') || 0 };
}

function requireBlob(paths: StorePaths, descriptor: Descriptor): void {
  const stat = statSync(paths.blob(descriptor.digest), { throwIfNoEntry: false });
  if (stat?.size === descriptor.size) return;
  throw new BuildError('BLOB_MISSING', `No name was set: the store does not hold manifest ${descriptor.digest}.`, {
    hint: 'Write the manifest to the store before it is named.',
  });
}
