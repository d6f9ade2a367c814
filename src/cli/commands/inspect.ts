import { familiarReference, parseReference } from '../../core/index.ts';
import { type Descriptor, type ImageDocuments, readImage } from '../../oci/index.ts';
import type { Store, StoredImage } from '../../store/index.ts';
import { defineCommand } from '../command.ts';
import { choosePlatform } from '../images/choose-platform.ts';
import { layersSize } from '../images/layers-size.ts';
import { DATA_DIR_OPTION } from '../options/shared-options.ts';
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
    ...DATA_DIR_OPTION,
  },
  examples: [
    { text: 'Config, layers and digests', line: 'zlayer inspect app:1.0' },
    { text: 'The environment alone', line: "zlayer inspect app:1.0 | jq '.[0].Config.Env'" },
    { text: 'The manifest as pushed', line: 'zlayer inspect --raw app:1.0' },
  ],
  run: async ({ services, stdout }, { values, positionals }) => {
    if (values.raw && values.config) throw usage('--raw and --config contradict each other.', 'Leave one out.');
    const store = await services.openStore(values['data-dir']);
    const choice = choosePlatform(values.platform);
    const documents: unknown[] = [];
    for (const word of positionals) {
      const { image, descriptor } = await store.images.find(word);
      if (values.raw) {
        stdout.write(await readText(store, descriptor));
        continue;
      }
      const details = await readImage(store.blobs, descriptor, choice);
      if (values.config) stdout.write(await readText(store, details.manifest.config));
      else documents.push(await toDocument(store, image, details));
    }
    if (!values.raw && !values.config) stdout.write(formatJson(documents));
    return undefined;
  },
});

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
  const repositories = [
    ...new Set(names.map(({ registry, repository }) => familiarReference({ registry, repository }))),
  ];
  return {
    Id: manifest.config.digest,
    RepoTags: names.filter(({ tag }) => tag !== undefined).map((name) => familiarReference(name)),
    RepoDigests: repositories.map((repository) => `${repository}@${stored.descriptor.digest}`),
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
