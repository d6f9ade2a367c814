import { lstatSync, mkdirSync, readdirSync, realpathSync, renameSync, rmdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { layerEntriesOf } from '../../archive/index.ts';
import {
  BuildError,
  type BytePath,
  type Platform,
  type RunContext,
  textOfPath,
  throwIfCancelled,
} from '../../core/index.ts';
import type { Descriptor, ImageDocuments } from '../../oci/index.ts';
import type { Store } from '../../store/index.ts';
import { openRootfs } from '../open-rootfs.ts';
import { listPlatformImages } from '../platform-images.ts';
import type { OutputDeps } from '../types.ts';
import { guardOutput, temporarySibling } from '../write-destination.ts';
import { createTreeWriter, type WrittenDirectory } from './tree-writer.ts';

export interface LocalOutput {
  readonly descriptor: Descriptor;
  /** A directory of the host; made when it is missing. */
  readonly destination: string;
  /** Which image of an index; default all that are here, several in a folder each (`linux_arm64`). */
  readonly platform?: Platform | undefined;
}

/** Entries written between two looks at the event loop. */
const ENTRIES_PER_TURN = 500;

/**
 * Writes the root file system of an image into a directory, owned by the caller: no owners are set, setuid and setgid bits
 * (which would then speak for the caller) are dropped, devices and FIFOs are left out with a warning. Everything is written
 * aside first and then moved into place. What is in the directory already stays, but for files of the same names; no symbolic
 * link of it is followed.
 *
 * @throws BuildError `OUTPUT_FAILED` when a file is where a directory must go, or the other way round; and as `openRootfs`.
 */
export async function writeLocalOutput({ store }: OutputDeps, output: LocalOutput, context: RunContext): Promise<void> {
  for (const { image, folder } of await listPlatformImages(store, output)) {
    await writeImage(store, { image, destination: join(output.destination, folder) }, context);
  }
}

async function writeImage(
  store: Store,
  { image, destination }: { readonly image: ImageDocuments; readonly destination: string },
  context: RunContext,
): Promise<void> {
  const rootfs = await openRootfs(store, image, context);
  const target = guardOutput(destination, () => openTarget(destination));
  try {
    const directories = await writeTree(target.aside, rootfs.tree, context);
    guardOutput(destination, () => {
      moveInto(Buffer.from(target.aside), Buffer.from(target.path));
      for (const directory of [...directories].reverse()) directory.finish(target.path);
    });
  } finally {
    rmSync(target.aside, { recursive: true, force: true });
    await rootfs.close();
  }
}

interface Target {
  readonly path: string;
  /** A new directory on the same file system. */
  readonly aside: string;
}

/** Below a directory that is there, since it may be a mount point, or its parent not ours to write. */
function openTarget(destination: string): Target {
  const path = resolve(destination);
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return { path, aside: makeAside(path) };
  const real = realpathSync(path);
  if (!lstatSync(real).isDirectory()) {
    throw new BuildError('OUTPUT_FAILED', `The files cannot be written to "${destination}": it is no directory.`, {
      hint: 'Name a directory, or use type=tar for a file.',
    });
  }
  return { path: real, aside: makeAside(join(real, 'x')) };
}

function makeAside(path: string): string {
  const aside = temporarySibling(path);
  mkdirSync(aside, { recursive: true });
  return aside;
}

async function writeTree(
  root: string,
  tree: Parameters<typeof layerEntriesOf>[0],
  context: RunContext,
): Promise<readonly WrittenDirectory[]> {
  const writer = createTreeWriter(root);
  const skipped: BytePath[] = [];
  let count = 0;
  for (const item of layerEntriesOf(tree)) {
    if (++count % ENTRIES_PER_TURN === 0) await nextTurn();
    throwIfCancelled(context.signal);
    if (!guardOutput(textOfPath(item.entry.path), () => writer.write(item))) skipped.push(item.entry.path);
  }
  if (skipped.length > 0) warn(skipped, context);
  return writer.directories;
}

function warn(skipped: readonly BytePath[], context: RunContext): void {
  const names = skipped.slice(0, 5).map((path) => `/${textOfPath(path)}`);
  const more = skipped.length > names.length ? ` and ${skipped.length - names.length} more` : '';
  context.emit({
    kind: 'warning',
    time: Date.now(),
    code: 'OUTPUT_SKIPPED',
    message: `Devices and FIFOs were not written to the local directory: ${names.join(', ')}${more}.`,
    hint: 'Use type=tar to keep them.',
  });
}

const SLASH = Buffer.from('/');

/** Moves a new tree onto one that may be there: directories are merged, other names replaced. */
function moveInto(from: Buffer, to: Buffer): void {
  const stat = lstatSync(to, { throwIfNoEntry: false });
  const isDirectory = lstatSync(from).isDirectory();
  if (stat === undefined || (!isDirectory && !stat.isDirectory())) {
    renameSync(from, to);
    return;
  }
  if (!isDirectory || !stat.isDirectory()) {
    throw new BuildError('OUTPUT_FAILED', `"${to}" cannot be replaced: it is ${isDirectory ? 'no' : 'a'} directory.`, {
      hint: 'Remove it, or write to another directory.',
    });
  }
  for (const name of readdirSync(from, { encoding: 'buffer' })) {
    moveInto(Buffer.concat([from, SLASH, name]), Buffer.concat([to, SLASH, name]));
  }
  rmdirSync(from);
}
