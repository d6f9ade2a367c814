import { type Entry, type LayerItem, writeLayer } from '../archive/index.ts';
import type { BlobId, RunContext } from '../core/index.ts';
import { type Descriptor, MEDIA_TYPES } from '../oci/index.ts';
import type { Store } from '../store/index.ts';

/** A context for tests that is never cancelled. */
export const TEST_CONTEXT: RunContext = { signal: new AbortController().signal, emit: () => undefined };

const MTIME = 1_700_000_000;

/** An entry with the usual metadata. */
export function testEntry(path: string, type: Entry['type'], more: Partial<Entry> = {}): LayerItem {
  return {
    entry: {
      path,
      type,
      mode: type === 'directory' ? 0o755 : 0o644,
      uid: 0,
      gid: 0,
      sizeBytes: 0,
      mtime: MTIME,
      ...more,
    },
  };
}

/** A file with text. */
export function testFile(path: string, text: string, more: Partial<Entry> = {}): LayerItem {
  const bytes = Buffer.from(text);
  const { entry } = testEntry(path, 'file', { ...more, sizeBytes: bytes.length }) as { readonly entry: Entry };
  return bytes.length === 0 ? { entry } : { entry, content: { kind: 'bytes', bytes } };
}

/** Two layers with everything that an image may hold: links, owners, modes, odd names, a device, and a whiteout. */
export const TEST_LAYERS: ReadonlyArray<readonly LayerItem[]> = [
  [
    testEntry('bin', 'directory'),
    testFile('bin/tool', '#!/bin/sh\necho tool\n', { mode: 0o4755 }),
    testEntry('bin/link', 'symlink', { linkTarget: '../bin/tool', mode: 0o777 }),
    testEntry('dev', 'directory'),
    testEntry('dev/null', 'char', { device: { major: 1, minor: 3 }, mode: 0o666 }),
    testEntry('etc', 'directory'),
    testFile('etc/gone', 'removed above'),
    testFile('etc/passwd', 'root:x:0:0::/root:/bin/sh\n'),
    testEntry('srv', 'directory', { mode: 0o555, uid: 1000, gid: 1000 }),
    testFile('srv/\u00e9\u00ff', 'name that is no UTF-8', { uid: 1000, gid: 1000 }),
    testEntry('tmp', 'directory', { mode: 0o1777 }),
  ],
  [
    { whiteout: 'etc/gone' },
    testEntry('etc', 'directory'),
    testFile('etc/big', 'x'.repeat(3 << 20)),
    testEntry('etc/same', 'hardlink', { linkTarget: 'etc/big' }),
    testFile('etc/empty', ''),
  ],
];

/** Writes layers, config and manifest of an image into a store. */
export async function putTestImage(
  store: Store,
  layers: ReadonlyArray<readonly LayerItem[]> = TEST_LAYERS,
): Promise<Descriptor> {
  const blobs: BlobId[] = [];
  for (const items of layers) {
    const ingest = await store.blobs.ingest();
    await writeLayer(items, ingest);
    blobs.push(await ingest.commit());
  }
  const created = '2024-01-01T00:00:00Z';
  const config = await put(store, MEDIA_TYPES.ociConfig, {
    created,
    architecture: 'amd64',
    os: 'linux',
    config: { Cmd: ['/bin/tool'], Env: ['PATH=/bin'] },
    rootfs: { type: 'layers', diff_ids: blobs.map((blob) => blob.digest) },
    history: blobs.map(() => ({ created, created_by: 'test' })),
  });
  return put(store, MEDIA_TYPES.ociManifest, {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociManifest,
    config,
    layers: blobs.map(({ digest, sizeBytes }) => ({ mediaType: MEDIA_TYPES.ociLayer, digest, size: sizeBytes })),
  });
}

/** Writes a JSON document into a store. */
export async function put(store: Store, mediaType: string, value: unknown): Promise<Descriptor> {
  const { digest, sizeBytes } = await store.blobs.put(Buffer.from(JSON.stringify(value)));
  return { mediaType, digest, size: sizeBytes };
}

/** All bytes of a stream. */
export async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of source) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}
