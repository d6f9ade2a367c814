import { existsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeTempDir, removeTempDir } from '../../../test/support/temp-dir.ts';
import { type Lease, openStore, type Store } from '../../store/index.ts';
import { type OpenCaches, openCaches } from './cache-mounts.ts';
import { graphOf, IMAGE, run } from './graph.fixture.ts';
import { MINIMUM_VERSION } from './version.ts';

const QUIET = { signal: new AbortController().signal, emit: () => undefined };
const root = makeTempDir('caches');
let store: Store;
let lease: Lease;

beforeAll(async () => {
  store = await openStore({ root });
  lease = await store.openLease();
});
afterAll(async () => {
  await lease.release();
  await removeTempDir(root);
});

/** Opens a cache as a build does whose step has it mounted. No program is called for one of root's. */
function open(mount: object): Promise<OpenCaches> {
  const buildah = { path: '/no/buildah', version: MINIMUM_VERSION, globalArgs: [], env: {}, memory: new Map() };
  const cache = { kind: 'cache', target: '/c', id: 'c', source: '/', mode: 0o755, uid: 0, gid: 0, ...mount };
  const { vertices: steps } = graphOf([
    { id: 'base', op: IMAGE },
    { id: 'step', op: run('x', { mounts: [cache] }), inputs: ['base'] },
  ]);
  const uid = process.getuid?.() ?? 0;
  return openCaches({ buildah, store, lease, uid }, { steps, seedOf: async () => undefined }, QUIET);
}

const pathOf = ({ byMount }: OpenCaches): string => byMount.get('step 0')!.path;

describe('openCaches()', () => {
  it('gives users of a private cache at the same time directories of their own, and the first again afterwards', async () => {
    const one = await open({ sharing: 'private' });
    const two = await open({ sharing: 'private' });
    expect(pathOf(two)).not.toBe(pathOf(one));
    writeFileSync(join(pathOf(one), 'mine'), '');
    await one.release();
    const three = await open({ sharing: 'private' });
    expect(pathOf(three)).toBe(pathOf(one));
    expect(existsSync(join(pathOf(three), 'mine'))).toBe(true);
    await two.release();
    await three.release();
  });

  it('gives all users of a shared or locked one the same, with the mode that it was made with', async () => {
    const one = await open({ sharing: 'locked', id: 'tools', mode: 0o700 });
    const two = await open({ sharing: 'shared', id: 'tools', mode: 0o777 });
    expect(pathOf(two)).toBe(pathOf(one));
    expect(statSync(pathOf(two)).mode & 0o777).toBe(0o700);
    expect([one, two].map(({ byMount }) => byMount.get('step 0')?.sharing)).toEqual(['locked', 'shared']);
    // Known to the store, so that `prune` finds it.
    expect(await store.area('cache-mounts').list()).toContain(one.byMount.get('step 0')?.id);
  });
});
