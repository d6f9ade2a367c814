import { createHash } from 'node:crypto';
import { copyFileSync, createReadStream, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** JSON of a foreign document: tests look into it without trusting its shape. */
export type Json = { readonly [key: string]: unknown };

export interface LayerBlob {
  readonly path: string;
  readonly digest: string;
  readonly mediaType: string;
  readonly diffId: string;
}

/** An image as it lies in an OCI layout. */
export interface StoredImage {
  readonly manifestDigest: string;
  /** The index's entry for it. */
  readonly descriptor: Descriptor;
  readonly manifest: Json;
  readonly config: Json;
  /** Lowest first. */
  readonly layers: readonly LayerBlob[];
}

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
}

const REF_NAME = 'org.opencontainers.image.ref.name';

/** Opens the image of that name in a layout; without a name the layout must hold one image alone. */
export function readLayout(layout: string, name?: string): StoredImage {
  const index = readJson(join(layout, 'index.json')) as { manifests: readonly Descriptor[] };
  const found = index.manifests.filter((each) => name === undefined || each.annotations?.[REF_NAME] === name);
  const [descriptor] = found;
  if (descriptor === undefined || found.length > 1) {
    throw new Error(`${layout} holds ${found.length} images that are named ${name ?? 'anything'}.`);
  }
  const manifest = readJson(blobPath(layout, descriptor.digest)) as unknown as {
    config: Descriptor;
    layers: readonly Descriptor[];
  };
  const config = readJson(blobPath(layout, manifest.config.digest)) as Json & { rootfs: { diff_ids: string[] } };
  const layers = manifest.layers.map(({ digest, mediaType }, position) => ({
    path: blobPath(layout, digest),
    digest,
    mediaType,
    diffId: config.rootfs.diff_ids[position] ?? '',
  }));
  return { manifestDigest: descriptor.digest, descriptor, manifest: manifest as unknown as Json, config, layers };
}

/** Writes a layout with one image of one uncompressed layer: how base images come into the tests. */
export async function writeLayout(
  layout: string,
  name: string,
  image: { tar: string; config: Json; platform?: Json },
): Promise<void> {
  mkdirSync(join(layout, 'blobs/sha256'), { recursive: true });
  const diffId = await digestFile(image.tar);
  copyFileSync(image.tar, blobPath(layout, diffId));
  const created = '2020-01-01T00:00:00Z';
  const config = putJson(layout, {
    created,
    architecture: process.arch === 'x64' ? 'amd64' : process.arch,
    os: 'linux',
    ...image.platform,
    config: image.config,
    rootfs: { type: 'layers', diff_ids: [diffId] },
    history: [{ created, created_by: 'base image of the tests' }],
  });
  const size = statSync(image.tar).size;
  const manifest = putJson(layout, {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...config },
    layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar', digest: diffId, size }],
  });
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  const manifests = [{ mediaType, ...manifest, annotations: { [REF_NAME]: name } }];
  writeFileSync(join(layout, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }));
  writeFileSync(join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
}

/** SHA-256 of a file as a digest. */
export async function digestFile(path: string): Promise<string> {
  const digest = createHash('sha256');
  for await (const bytes of createReadStream(path, { highWaterMark: 1 << 20 })) digest.update(bytes as Buffer);
  return `sha256:${digest.digest('hex')}`;
}

function blobPath(layout: string, digest: string): string {
  return join(layout, 'blobs', digest.replace(':', '/'));
}

function putJson(layout: string, value: unknown): { readonly digest: string; readonly size: number } {
  const bytes = Buffer.from(JSON.stringify(value));
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  writeFileSync(blobPath(layout, digest), bytes);
  return { digest, size: bytes.length };
}

function readJson(path: string): unknown {
  return JSON.parse(readFileSync(path, 'utf8'));
}
