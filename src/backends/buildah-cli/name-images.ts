import { digestHex, digestOf, formatPlatform, type Platform, type RunContext } from '../../core/index.ts';
import type { Descriptor } from '../../oci/index.ts';
import type { AssembledImage } from '../request/assemble-image.ts';
import { callBuildah } from './call-buildah.ts';
import { type ImageToImport, importImage } from './import-image.ts';
import { readListDocument } from './list-document.ts';
import type { Buildah } from './run-buildah.ts';

/** An image that is put together, with what buildah's storage lacks of it. */
export interface FinishedImage {
  readonly image: AssembledImage;
  readonly platform: Platform;
  readonly blobs: ImageToImport['blobs'];
  /** Of the entry of a list. */
  readonly annotations: Readonly<Record<string, string>>;
}

interface NameDeps {
  readonly buildah: Buildah;
  readonly workDir: string;
}

/**
 * Stores the images, and names the one, or a list of several. A list without a name cannot be kept: it gets one that is made
 * of its members.
 */
export async function nameImages(
  deps: NameDeps,
  { images, references }: { readonly images: readonly FinishedImage[]; readonly references: readonly string[] },
  context: RunContext,
): Promise<Descriptor> {
  const ids: string[] = [];
  for (const { image, blobs } of images) {
    const config = { digest: image.manifest.config.digest, bytes: image.configBytes };
    ids.push(await importImage(deps, { manifestBytes: image.manifestBytes, config, blobs }, context));
  }
  const [id, ...others] = ids;
  if (others.length > 0) return nameList(deps, { images, ids, references }, context);
  await giveNames(deps, { id: id!, references }, context);
  return images[0]!.image.descriptor;
}

interface ListInput {
  readonly images: readonly FinishedImage[];
  readonly ids: readonly string[];
  readonly references: readonly string[];
}

async function nameList(
  deps: NameDeps,
  { images, ids, references }: ListInput,
  context: RunContext,
): Promise<Descriptor> {
  const { buildah } = deps;
  const members = digestOf(images.map(({ image }) => image.descriptor.digest).join('\n'));
  const name = `localhost/zlayer-index:${digestHex(members).slice(0, 16)}`;
  const subject = {
    action: `put the images for ${images.map(({ platform }) => formatPlatform(platform)).join(', ')} together`,
  };
  const call = (args: readonly string[]): Promise<string> => callBuildah(buildah, { args, subject }, context);
  // The same build, once more: its list begins anew.
  await call(['manifest', 'exists', name]).then(
    () => call(['manifest', 'rm', name]),
    () => undefined,
  );
  const list = (await call(['manifest', 'create', name])).trim();
  for (const [index, id] of ids.entries()) {
    const annotations = Object.entries(images[index]!.annotations).map(
      ([key, value]) => `--annotation=${key}=${value}`,
    );
    await call(['manifest', 'add', ...annotations, name, `containers-storage:@${id}`]);
  }
  const { descriptor } = await readListDocument(deps, list, context);
  await giveNames(deps, { id: list, references }, context);
  if (references.length > 0) await call(['manifest', 'rm', name]);
  return descriptor;
}

async function giveNames(
  { buildah }: NameDeps,
  { id, references }: { readonly id: string; readonly references: readonly string[] },
  context: RunContext,
): Promise<void> {
  if (references.length === 0) return;
  const subject = { action: `name the image ${references.join(' ')}` };
  await callBuildah(buildah, { args: ['tag', id, ...references], subject }, context);
}
