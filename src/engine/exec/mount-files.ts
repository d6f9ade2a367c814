import { createTarEncoder, readTar, type TarEncoder } from '../../archive/index.ts';
import type { MountFile, MountFiles, MountName, NewName } from '../../cache/index.ts';
import { BuildError, type BytePath, type RunContext } from '../../core/index.ts';
import { archiveFiles, extractBytes } from '../snapshots/tar-process.ts';
import { runFileWork } from './file-work.ts';
import { type ListedFile, listFiles } from './list-files.ts';
import type { WorkingKind } from './namespace.ts';

const TYPES: Readonly<Record<string, 'file' | 'directory' | 'symlink'>> = { f: 'file', d: 'directory', l: 'symlink' };

/**
 * The files of a cache mount, read and made by programs that see the owners which steps see: find(1) lists them, with times
 * in nanoseconds, GNU tar reads and makes them.
 */
export function openMountFiles(place: { readonly kind: WorkingKind; readonly directory: string }): MountFiles {
  return {
    list: (context) => listNames(place, context),
    read: (paths, context) => readFiles({ ...place, paths }, context),
    clear: ({ signal }) => runFileWork(place.kind, ['find', place.directory, '-mindepth', '1', '-delete'], { signal }),
    write: (names, context) =>
      extractBytes(
        place,
        async ({ sink, drained }) => {
          const encoder = createTarEncoder(sink);
          for await (const name of names) {
            await writeName(encoder, name, drained);
            await drained();
          }
          encoder.end();
        },
        context.signal,
      ),
  };
}

async function writeName(encoder: TarEncoder, { entry, bytes, body }: NewName, drained: () => Promise<void>) {
  encoder.header(entry);
  const end = encoder.position + entry.sizeBytes;
  if (bytes !== undefined) encoder.append(bytes);
  for await (const chunk of body ?? []) {
    encoder.append(chunk);
    await drained();
  }
  if (encoder.position !== end)
    throw new BuildError('INTERNAL', `"${entry.path}" has not the size that was announced.`);
  encoder.pad();
}

async function* readFiles(
  place: { readonly kind: WorkingKind; readonly directory: string; readonly paths: readonly BytePath[] },
  { signal }: RunContext,
): AsyncGenerator<MountFile> {
  if (place.paths.length === 0) return;
  for await (const { entry, body } of readTar(archiveFiles({ ...place, links: 'followed' }, signal)))
    yield { entry, body };
}

async function listNames(
  place: { readonly kind: WorkingKind; readonly directory: string },
  { signal }: RunContext,
): Promise<readonly MountName[]> {
  const names: ListedName[] = [];
  for await (const file of listFiles(place, signal)) {
    const name = toName(file);
    if (name !== undefined) names.push(name);
  }
  return linked(names);
}

interface ListedName extends MountName {
  readonly inode: string;
  readonly isLinked: boolean;
}

function toName(file: ListedFile): ListedName | undefined {
  const { path, mode, uid, gid, modified, changed, inode, links, target } = file;
  const type = TYPES[file.letter];
  if (type === undefined) return undefined;
  const sizeBytes = type === 'file' ? file.sizeBytes : 0;
  const times = [modified, changed].map(({ seconds, nanoseconds }) => `${seconds}.${nanoseconds}`);
  return {
    entry: {
      path,
      type,
      mode,
      uid,
      gid,
      sizeBytes,
      mtime: modified.seconds,
      nanoseconds: modified.nanoseconds,
      ...(type === 'symlink' ? { linkTarget: target } : {}),
    },
    stamp: [inode, sizeBytes, ...times].join(' '),
    changedMs: changed.nanoseconds === 0 ? undefined : changed.seconds * 1000 + changed.nanoseconds / 1e6,
    inode,
    isLinked: type === 'file' && links > 1,
  };
}

function linked(names: readonly ListedName[]): readonly MountName[] {
  const sorted = names.toSorted((one, two) => (one.entry.path < two.entry.path ? -1 : 1));
  const first = new Map<string, BytePath>();
  return sorted.map(({ entry, stamp, changedMs, inode, isLinked }) => {
    const known = isLinked ? first.get(inode) : undefined;
    if (isLinked && known === undefined) first.set(inode, entry.path);
    if (known === undefined) return { entry, stamp, changedMs };
    return { entry: { ...entry, type: 'hardlink', sizeBytes: 0, linkTarget: known }, stamp, changedMs };
  });
}
