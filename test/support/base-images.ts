import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fixtureCache, writableCache } from './fixture-cache.ts';
import { type Json, writeLayout } from './oci-layout.ts';
import { runOk } from './process.ts';

/** Base images that the tests make on this machine: nothing is pulled. */
export type BaseName = 'busybox' | 'node' | 'debian';

/** A base image as an OCI layout that holds one image, named `reference`. */
export interface BaseImage {
  readonly name: BaseName;
  readonly layout: string;
  /** Such as `localhost/busybox:latest`. */
  readonly reference: string;
}

const PROJECT = new URL('../../', import.meta.url).pathname;
const PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

const BASES: Readonly<Record<BaseName, { readonly script: string; readonly config: Json }>> = {
  busybox: { script: 'examples/bases/busybox.sh', config: { Env: [PATH], Cmd: ['sh'] } },
  node: { script: 'examples/bases/node.sh', config: { Env: [PATH], Cmd: ['node'] } },
  debian: { script: 'test/support/bases/debian.sh', config: { Env: [PATH], Cmd: ['bash'] } },
};

/** Makes a base image unless it is in the cache. Several test processes may ask at once: one makes it, the others wait. */
export async function ensureBase(name: BaseName): Promise<BaseImage> {
  const reference = `localhost/${name}:latest`;
  const key = `${name}-${recipeKey()}`;
  const cached = join(fixtureCache(), 'bases', key);
  if (existsSync(join(cached, 'index.json'))) return { name, layout: cached, reference };
  const folder = join(writableCache(), 'bases');
  mkdirSync(folder, { recursive: true });
  const layout = join(folder, key);
  const tar = `${layout}.tar`;
  // The tar is made under a lock and renamed into place, so that it is made once and never seen half.
  const script = 'test -e "$2" || { "$1" "$2.part.tar" && mv "$2.part.tar" "$2"; }';
  const make = ['flock', '--timeout', '400', `${layout}.lock`, 'bash', '-c', script, 'bash'];
  await runOk([...make, join(PROJECT, BASES[name].script), tar], { timeoutMs: 500_000 });
  if (!existsSync(join(layout, 'index.json')))
    await publishLayout(layout, { reference, tar, config: BASES[name].config });
  return { name, layout, reference };
}

/** Changes with the scripts that make the images, and with the node that goes into one of them. */
function recipeKey(): string {
  const digest = createHash('sha256').update(process.version);
  for (const { script } of Object.values(BASES)) digest.update(readFileSync(join(PROJECT, script)));
  return digest.digest('hex').slice(0, 12);
}

async function publishLayout(layout: string, image: { reference: string; tar: string; config: Json }): Promise<void> {
  const part = `${layout}.${process.pid}`;
  await writeLayout(part, image.reference, image);
  try {
    renameSync(part, layout);
  } catch (error) {
    rmSync(part, { recursive: true });
    if (!existsSync(join(layout, 'index.json'))) throw error;
  }
}
