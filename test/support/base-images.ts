import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fixtureCache, writableCache } from './fixture-cache.ts';
import { type Json, writeLayout } from './oci-layout.ts';
import { runOk } from './process.ts';

/** Base images that the tests make on this machine: nothing is pulled. */
export type BaseName = 'busybox' | 'node' | 'debian' | 'busybox-amd64' | 'busybox-arm64' | 'busybox-arm';

/** A base image as an OCI layout that holds one image, named `reference`. */
export interface BaseImage {
  readonly name: BaseName;
  readonly layout: string;
  /** Such as `localhost/busybox:latest`. */
  readonly reference: string;
}

const PROJECT = new URL('../../', import.meta.url).pathname;
const PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** How a base image is made; without a platform it has the host's. */
interface Recipe {
  readonly script: string;
  /** What the script takes after the name of the tar. */
  readonly args?: readonly string[];
  readonly config: Json;
  readonly platform?: { readonly architecture: string; readonly variant?: string };
}

const SHELL: Json = { Env: [PATH], Cmd: ['sh'] };
const foreign = (debian: string, architecture: string, variant?: string): Recipe => ({
  script: 'test/support/bases/foreign-busybox.sh',
  args: [debian],
  config: SHELL,
  platform: { architecture, ...(variant === undefined ? {} : { variant }) },
});

const OWN: Readonly<Record<'busybox' | 'node' | 'debian', Recipe>> = {
  busybox: { script: 'examples/bases/busybox.sh', config: SHELL },
  node: { script: 'examples/bases/node.sh', config: { Env: [PATH], Cmd: ['node'] } },
  debian: { script: 'test/support/bases/debian.sh', config: { Env: [PATH], Cmd: ['bash'] } },
};
const BASES: Readonly<Record<BaseName, Recipe>> = {
  ...OWN,
  'busybox-amd64': foreign('amd64', 'amd64'),
  'busybox-arm64': foreign('arm64', 'arm64'),
  'busybox-arm': foreign('armhf', 'arm', 'v7'),
};

/** Makes a base image unless it is in the cache. Several test processes may ask at once: one makes it, the others wait. */
export async function ensureBase(name: BaseName): Promise<BaseImage> {
  const reference = `localhost/${name}:latest`;
  const key = `${name}-${recipeKey(name)}`;
  const cached = join(fixtureCache(), 'bases', key);
  if (existsSync(join(cached, 'index.json'))) return { name, layout: cached, reference };
  const folder = join(writableCache(), 'bases');
  mkdirSync(folder, { recursive: true });
  const layout = join(folder, key);
  const tar = `${layout}.tar`;
  // The tar is made under a lock and renamed into place, so that it is made once and never seen half.
  const script = 'tar=$2; test -e "$tar" || { "$1" "$tar.part.tar" "${@:3}" && mv "$tar.part.tar" "$tar"; }';
  const make = ['flock', '--timeout', '400', `${layout}.lock`, 'bash', '-c', script, 'bash'];
  const recipe = BASES[name];
  await runOk([...make, join(PROJECT, recipe.script), tar, ...(recipe.args ?? [])], { timeoutMs: 500_000 });
  if (!existsSync(join(layout, 'index.json'))) await publishLayout(layout, { ...recipe, reference, tar });
  return { name, layout, reference };
}

/** Changes with the scripts that make the images, and with the node that goes into one of them. */
function recipeKey(name: BaseName): string {
  const digest = createHash('sha256').update(process.version);
  const scripts = new Set([...Object.values(OWN), BASES[name]].map(({ script }) => script));
  for (const script of scripts) digest.update(readFileSync(join(PROJECT, script)));
  return digest.digest('hex').slice(0, 12);
}

async function publishLayout(layout: string, image: Recipe & { reference: string; tar: string }): Promise<void> {
  const part = `${layout}.${process.pid}`;
  await writeLayout(part, image.reference, image);
  try {
    renameSync(part, layout);
  } catch (error) {
    rmSync(part, { recursive: true });
    if (!existsSync(join(layout, 'index.json'))) throw error;
  }
}
