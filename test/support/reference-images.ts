import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensureBase } from './base-images.ts';
import type { Buildah } from './buildah.ts';
import type { PreparedCase } from './cases.ts';
import { fixtureCache, writableCache } from './fixture-cache.ts';
import type { FlatTree } from './flatten.ts';
import { type Json, readLayout, type StoredImage } from './oci-layout.ts';

/** What buildah made of a case. */
export interface ReferenceImage {
  readonly image: StoredImage;
  /** With docker's fields, which the OCI config of the layout lacks. */
  readonly config: Json;
  /** When its build began, in seconds since the epoch. */
  readonly startedAt: number;
}

/** Names an image that a case makes. */
export function caseReference(name: string): string {
  return `localhost/case-${name}:latest`;
}

/** Builds a case with buildah, or takes an earlier result of the very same case on the very same bases from the cache. */
export async function ensureReference(
  buildah: () => Promise<Buildah>,
  prepared: PreparedCase,
): Promise<ReferenceImage> {
  const bases = await Promise.all(prepared.bases.map(ensureBase));
  const key = [
    prepared.name,
    prepared.key,
    ...bases.map(({ layout }) => readLayout(layout).manifestDigest.slice(7, 15)),
  ];
  const name = key.join('-');
  for (const cache of [fixtureCache(), writableCache()]) {
    const folder = join(cache, 'references', name);
    if (existsSync(join(folder, 'facts.json'))) return readReference(folder);
  }
  const folder = join(writableCache(), 'references', name);
  const part = `${folder}.${process.pid}`;
  rmSync(part, { recursive: true, force: true });
  mkdirSync(part, { recursive: true });
  await buildReference(await buildah(), prepared, part);
  renameSync(part, folder);
  return readReference(folder);
}

async function buildReference(buildah: Buildah, prepared: PreparedCase, folder: string): Promise<void> {
  for (const base of await Promise.all(prepared.bases.map(ensureBase))) await buildah.loadBase(base);
  const startedAt = Math.floor(Date.now() / 1000);
  for (const [tag, file] of Object.entries(prepared.before ?? {})) {
    await buildah.build(['--layers', '-t', tag, '-f', join(prepared.context, '..', file), prepared.context]);
  }
  const secrets = Object.entries(prepared.secretFiles).flatMap(([id, path]) => ['--secret', `id=${id},src=${path}`]);
  const tag = caseReference(prepared.name);
  const flags = [...(prepared.flags ?? []), ...secrets];
  await buildah.build(['--layers', '-t', tag, ...flags, '-f', prepared.referenceDockerfile, prepared.context]);
  await buildah.exportLayout(tag, join(folder, 'layout'), tag);
  writeFileSync(join(folder, 'facts.json'), JSON.stringify({ startedAt, config: await buildah.inspectConfig(tag) }));
}

function readReference(folder: string): ReferenceImage {
  const facts = JSON.parse(readFileSync(join(folder, 'facts.json'), 'utf8')) as { startedAt: number; config: Json };
  return { ...facts, image: readLayout(join(folder, 'layout')) };
}

/** A tree of the reference without the marks of overlayfs, which a rootless buildah leaks into its layers. */
export function withoutOverlayMarks(tree: FlatTree): FlatTree {
  const isOwn = ([name]: readonly [string, string]): boolean => !name.startsWith('user.overlay.');
  return new Map(
    [...tree].map(([path, node]) => {
      const xattrs = Object.fromEntries(Object.entries(node.xattrs).filter(isOwn));
      return [path, { ...node, xattrs }];
    }),
  );
}
