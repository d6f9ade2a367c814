import {
  chmodSync,
  closeSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFifos, openFifos, type StepFifos } from './fifos.ts';
import type { MountPoint } from './mount-plan.ts';

/**
 * A directory with what a step needs around its root: mount points, names of layers, stubs, FIFOs. Everything is mounted
 * in the step's own namespace, so the next step finds the directory as this one found it, and few files are made for each.
 */
export interface StepPlace {
  readonly directory: string;
  readonly fifos: StepFifos;
  /** Short name, in `links`, of a directory. */
  link(target: string): string;
  /** The lowest layer of a step: a directory with these empty mount points. */
  stubs(points: readonly MountPoint[]): string;
  /** Path of a small file with this content. */
  file(name: string, bytes: string): string;
  /** Gives the place to another step. Nothing of this step may run any more, and every end of its FIFOs is closed. */
  release(): void;
}

/** Hands out places to steps that run side by side. */
export interface StepPlaces {
  acquire(): Promise<StepPlace>;
  close(): Promise<void>;
}

/** Below `parent`, which goes with this process. */
export function createStepPlaces(parent: string): StepPlaces {
  const free: Array<(release: () => void) => StepPlace> = [];
  const made: string[] = [];
  const take = (open: (release: () => void) => StepPlace): StepPlace => open(() => void free.push(open));
  return {
    acquire: async () => take(free.pop() ?? (await makePlace(parent, made))),
    close: async () => {
      free.length = 0;
      await Promise.all(made.splice(0).map((directory) => rm(directory, { recursive: true, force: true })));
    },
  };
}

async function makePlace(parent: string, made: string[]): Promise<(release: () => void) => StepPlace> {
  const directory = await mkdtemp(join(parent, 'place-'));
  made.push(directory);
  for (const name of ['links', 'root', 'memory', 'stamps', 'stubs']) mkdirSync(join(directory, name));
  await makeFifos(directory);
  const links = remembering((target, count) => {
    const name = count.toString(36);
    symlinkSync(target, join(directory, 'links', name));
    return name;
  });
  const stubs = new Map<string, string>();
  return (release) => ({
    directory,
    fifos: openFifos(directory),
    link: links,
    stubs: (points) => {
      const key = JSON.stringify(points);
      const path = stubs.get(key) ?? makeStubs(join(directory, 'stubs', String(stubs.size)), points);
      stubs.set(key, path);
      return path;
    },
    file: (name, bytes) => overwrite(join(directory, name), Buffer.from(bytes, 'latin1')),
    release,
  });
}

function remembering(make: (key: string, count: number) => string): (key: string) => string {
  const known = new Map<string, string>();
  return (key) => {
    const value = known.get(key) ?? make(key, known.size);
    known.set(key, value);
    return value;
  };
}

/**
 * Empty mount points. The image's own names win over them, and nothing of them ever reaches the directory with the
 * changes.
 */
function makeStubs(directory: string, points: readonly MountPoint[]): string {
  mkdirSync(directory);
  chmodSync(directory, 0o755);
  for (const point of points) {
    const path = Buffer.concat([Buffer.from(`${directory}/`), Buffer.from(point.path, 'latin1')]);
    if (point.type === 'directory') mkdirSync(path);
    else writeFileSync(path, '');
    chmodSync(path, point.type === 'directory' ? 0o755 : 0o644);
  }
  return directory;
}

/** In place: ext4 writes a file out at once when it was first truncated to nothing. */
function overwrite(path: string, bytes: Uint8Array): string {
  const descriptor = openSync(path, 'a+', 0o600);
  closeSync(descriptor);
  const writable = openSync(path, 'r+');
  try {
    writeSync(writable, bytes, 0, bytes.length, 0);
    ftruncateSync(writable, bytes.length);
  } finally {
    closeSync(writable);
  }
  return path;
}
