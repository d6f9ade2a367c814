import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { digestFile, type LayerBlob } from './oci-layout.ts';
import { runOk } from './process.ts';
import { readTar, type TarMember } from './tar-reader.ts';

/** A name in a flattened root file system. Hard links have the metadata of their file, and share its `linkGroup`. */
export interface FileNode extends Omit<TarMember, 'kind' | 'path'> {
  readonly kind: Exclude<TarMember['kind'], 'hardlink'>;
  /** All names of the file in byte order, joined by a line end; empty for a file with one name. */
  readonly linkGroup: string;
}

/** Everything in a root file system by path; the root itself is the empty path, where a layer names it. */
export type FlatTree = ReadonlyMap<string, FileNode>;

interface Inode extends Omit<TarMember, 'kind' | 'path'> {
  readonly kind: FileNode['kind'];
}

/**
 * Puts layers on one another by the rules of image-spec, layer.md. Verifies every blob against its diff ID on the way.
 * `cacheDir` keeps the listings of layers that many images share.
 */
export async function flattenLayers(layers: readonly LayerBlob[], cacheDir: string): Promise<FlatTree> {
  const names = new Map<string, Inode>();
  for (const layer of layers) applyLayer(names, await listLayer(layer, cacheDir));
  return withLinkGroups(names);
}

/** The members of a layer, from any compression that image tools write. */
export async function listLayer(layer: LayerBlob, cacheDir: string): Promise<readonly TarMember[]> {
  mkdirSync(cacheDir, { recursive: true });
  const listing = join(cacheDir, `${layer.diffId.replace(':', '-')}.${process.getuid?.() ?? 0}.json`);
  if (existsSync(listing)) return JSON.parse(readFileSync(listing, 'utf8')) as TarMember[];
  const isPlain = layer.mediaType.endsWith('tar');
  const part = `${listing}.${randomUUID()}`;
  const tar = isPlain ? layer.path : `${part}.tar`;
  try {
    if (!isPlain) await decompress(layer, tar);
    const actual = await digestFile(tar);
    if (actual !== layer.diffId)
      throw new Error(`${layer.digest} holds ${actual}, but its diff ID is ${layer.diffId}.`);
    const members = readTar(tar);
    writeFileSync(part, JSON.stringify(members));
    renameSync(part, listing);
    return members;
  } finally {
    if (!isPlain) rmSync(tar, { force: true });
  }
}

async function decompress(layer: LayerBlob, tar: string): Promise<void> {
  const program = layer.mediaType.endsWith('zstd') ? 'zstd' : 'gzip';
  await runOk(['sh', '-c', `exec ${program} -dc <"$1" >"$2"`, 'sh', layer.path, tar]);
}

function applyLayer(names: Map<string, Inode>, members: readonly TarMember[]): void {
  removeWhitedOut(names, members);
  for (const member of members) {
    const { path } = member;
    if (baseName(path).startsWith('.wh.')) continue;
    const { kind, path: _path, ...rest } = member;
    const before = names.get(path);
    if (before?.kind === 'directory' && kind !== 'directory') removeTree(names, path);
    if (kind === 'hardlink') {
      const target = names.get(cleanTarget(member.link));
      if (target === undefined) throw new Error(`${path} is a hard link to ${member.link}, which is not there.`);
      names.set(path, target);
    } else names.set(path, { ...rest, kind });
  }
}

/** Whiteouts hide what lower layers hold, wherever they stand in their own layer. */
function removeWhitedOut(names: Map<string, Inode>, members: readonly TarMember[]): void {
  for (const { path } of members) {
    const name = baseName(path);
    if (!name.startsWith('.wh.')) continue;
    const folder = path.slice(0, path.length - name.length);
    const hidden = `${folder}${name.slice('.wh.'.length)}`;
    if (name === '.wh..wh..opq') removeTree(names, folder.replace(/\/$/, ''), false);
    else if (names.get(hidden)?.kind === 'directory') removeTree(names, hidden);
    else names.delete(hidden);
  }
}

function removeTree(names: Map<string, Inode>, path: string, itself = true): void {
  const prefix = path === '' ? '' : `${path}/`;
  for (const name of [...names.keys()]) if (name !== '' && name !== path && name.startsWith(prefix)) names.delete(name);
  if (itself) names.delete(path);
}

function withLinkGroups(names: ReadonlyMap<string, Inode>): FlatTree {
  const groups = new Map<Inode, string[]>();
  for (const [path, inode] of names) groups.set(inode, [...(groups.get(inode) ?? []), path]);
  const sorted = [...names].sort(([a], [b]) => (a < b ? -1 : 1));
  return new Map(
    sorted.map(([path, inode]) => {
      const group = groups.get(inode) ?? [];
      return [path, { ...inode, linkGroup: group.length > 1 ? group.sort().join('\n') : '' }];
    }),
  );
}

function cleanTarget(link: string): string {
  return link
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .join('/');
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
