import type { ImageDetails } from '../../backends/index.ts';
import { familiarReference, formatPlatform, parseReference, type Reference } from '../../core/index.ts';
import { type Descriptor, type ImageDocuments, readImage } from '../../oci/index.ts';
import type { Store, StoredImage } from '../../store/index.ts';
import { defineCommand } from '../command.ts';
import { choosePlatform } from '../images/choose-platform.ts';
import { layersSize } from '../images/layers-size.ts';
import { onlyInStore, withImages } from '../images/with-images.ts';
import { BACKEND_OPTION, DATA_DIR_OPTION } from '../options/shared-options.ts';
import { usage } from '../options/values.ts';
import { formatJson } from '../report/format-table.ts';

/** `zlayer inspect` */
export const inspectCommand = defineCommand({
  name: 'inspect',
  summary: 'Show everything about images, as JSON',
  positionals: { usage: 'IMAGE [IMAGE...]', min: 1, max: Number.POSITIVE_INFINITY, complete: 'image' },
  options: {
    raw: { kind: 'boolean', help: 'Print the manifest or index as it is, byte for byte' },
    config: { kind: 'boolean', help: 'Print the image config as it is, byte for byte' },
    platform: {
      kind: 'text',
      placeholder: 'OS/ARCH',
      help: 'Which image of an index',
      defaultText: 'that of this machine',
    },
    format: {
      kind: 'text',
      placeholder: 'FORMAT',
      help: 'How the result is printed',
      choices: ['json'],
      defaultText: 'json',
    },
    ...BACKEND_OPTION,
    ...DATA_DIR_OPTION,
  },
  examples: [
    { text: 'Config, layers and digests', line: 'zlayer inspect app:1.0' },
    { text: 'The environment alone', line: "zlayer inspect app:1.0 | jq '.[0].Config.Env'" },
    { text: 'The manifest as pushed', line: 'zlayer inspect --raw app:1.0' },
  ],
  run: async (context, { values, positionals }) => {
    if (values.raw && values.config) throw usage('--raw and --config contradict each other.', 'Leave one out.');
    const text = await withImages(context, values, {
      inStore: (store) => inspectStore(store, values, positionals),
      inBackend: async (backend, inner) => {
        const option = (['raw', 'config', 'platform'] as const).find((name) => values[name]);
        if (option !== undefined) throw onlyInStore(`--${option}`, backend);
        const documents: unknown[] = [];
        for (const word of positionals) documents.push(toBackendDocument(await backend.inspectImage(word, inner)));
        return formatJson(documents);
      },
    });
    context.stdout.write(text);
    return undefined;
  },
});

interface InspectValues {
  readonly raw: boolean;
  readonly config: boolean;
  readonly platform: string | undefined;
}

async function inspectStore(store: Store, values: InspectValues, words: readonly string[]): Promise<string> {
  const choice = choosePlatform(values.platform);
  const texts: string[] = [];
  const documents: unknown[] = [];
  for (const word of words) {
    const { image, descriptor } = await store.images.find(word);
    if (values.raw) {
      texts.push(await readText(store, descriptor));
      continue;
    }
    const details = await readImage(store.blobs, descriptor, choice);
    if (values.config) texts.push(await readText(store, details.manifest.config));
    else documents.push(await toDocument(store, image, details));
  }
  return values.raw || values.config ? texts.join('') : formatJson(documents);
}

/** The same keys as of an image in the local store, as far as a backend tells them. */
function toBackendDocument(image: ImageDetails): Readonly<Record<string, unknown>> {
  const { digest, configDigest, mediaType, platforms, config, layers } = image;
  const [platform] = platforms;
  return {
    Id: configDigest ?? digest,
    ...namesOf(image.references.map(parseReference), digest),
    Created: image.createdMs === undefined ? '' : new Date(image.createdMs).toISOString(),
    ...(config === undefined
      ? { Platforms: platforms.map(formatPlatform) }
      : {
          Architecture: platform?.architecture,
          ...(platform?.variant === undefined ? {} : { Variant: platform.variant }),
          Os: platform?.os,
        }),
    Size: image.sizeBytes,
    ...(config === undefined
      ? {}
      : { Config: config.config ?? {}, RootFS: { Type: config.rootfs.type, Layers: config.rootfs.diff_ids } }),
    Descriptor: { mediaType, digest },
    Layers: layers.map((layer) => ({ mediaType: layer.mediaType, digest: layer.digest, size: layer.sizeBytes })),
  };
}

function namesOf(names: readonly Reference[], digest: string): Readonly<Record<string, readonly string[]>> {
  const repositories = new Set(names.map(({ registry, repository }) => familiarReference({ registry, repository })));
  return {
    RepoTags: names.filter(({ tag }) => tag !== undefined).map((name) => familiarReference(name)),
    RepoDigests: [...repositories].map((repository) => `${repository}@${digest}`),
  };
}

async function readText(store: Store, { digest, size }: Descriptor): Promise<string> {
  return (await store.blobs.read({ digest, sizeBytes: size })).toString('utf8');
}

/** docker inspect's names where docker has one. */
async function toDocument(
  store: Store,
  stored: StoredImage,
  { descriptor, manifest, config }: ImageDocuments,
): Promise<Readonly<Record<string, unknown>>> {
  const names = (await store.images.list()).flatMap((image) =>
    image.descriptor.digest === stored.descriptor.digest && image.reference !== undefined
      ? [parseReference(image.reference)]
      : [],
  );
  return {
    Id: manifest.config.digest,
    ...namesOf(names, stored.descriptor.digest),
    Created: config.created ?? '',
    ...(config.author === undefined ? {} : { Author: config.author }),
    Architecture: config.architecture,
    ...(config.variant === undefined ? {} : { Variant: config.variant }),
    Os: config.os,
    ...(config['os.version'] === undefined ? {} : { OsVersion: config['os.version'] }),
    Size: layersSize(manifest),
    Config: config.config ?? {},
    RootFS: { Type: config.rootfs.type, Layers: config.rootfs.diff_ids },
    Descriptor: stored.descriptor,
    ...(descriptor.digest === stored.descriptor.digest ? {} : { ManifestDescriptor: descriptor }),
    Layers: manifest.layers,
    ...(manifest.annotations === undefined ? {} : { Annotations: manifest.annotations }),
    Metadata: { LastTagTime: new Date(stored.updatedMs).toISOString() },
  };
}
