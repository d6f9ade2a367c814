import { type ChildProcess, spawn } from 'node:child_process';
import { on, once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { digestOf } from '../core/index.ts';
import { openStore } from './index.ts';
import type { Store } from './types.ts';

let base: string;

beforeAll(async () => {
  base = mkdtempSync(join(tmpdir(), 'store-crash-'));
  await build({
    entryPoints: [resolve(import.meta.dirname, 'index.ts')],
    bundle: true,
    platform: 'node',
    format: 'esm',
    splitting: true,
    outdir: join(base, 'dist'),
    outExtension: { '.js': '.mjs' },
    logLevel: 'error',
  });
  writeFileSync(join(base, 'child.mjs'), `import { openStore } from './dist/index.mjs';\n${CHILD}`);
});
afterAll(() => {
  rmSync(base, { recursive: true, force: true });
});

/** Writes everything a build writes, again and again, or collects garbage without end. Prints a dot a turn. */
const CHILD = `
import { mkdirSync, writeFileSync } from 'node:fs';
const [root, role, seed] = process.argv.slice(2);
for (let n = 0; ; n++) {
  const store = await openStore({ root });
  if (n > 0) process.stdout.write('.');
  if (role === 'prune') {
    await store.prune({ all: true });
    continue;
  }
  const lease = await store.openLease();
  const text = seed + ':' + n;
  const layer = await store.blobs.put(Buffer.from('layer ' + text));
  const config = await store.blobs.put(Buffer.from(JSON.stringify({ rootfs: { type: 'layers', diff_ids: [layer.digest] }, text })));
  const to = (blob, mediaType) => ({ mediaType, digest: blob.digest, size: blob.sizeBytes });
  const manifest = await store.blobs.put(Buffer.from(JSON.stringify({ schemaVersion: 2, config: to(config, 'c'), layers: [to(layer, 'l')] })));
  await store.area('snapshots').create(layer.digest.slice(7), async (path) => {
    mkdirSync(path);
    for (const name of ['a', 'b']) writeFileSync(path + '/' + name, text);
  });
  await store.records.put('cache', text, { layers: [{ diffId: layer.digest, blob: to(layer, 'l') }] });
  await store.sync([layer, config, manifest]);
  await store.images.set(['docker.io/library/' + seed + ':latest'], to(manifest, 'application/vnd.oci.image.manifest.v1+json'));
  await lease.release();
}
`;

/** Starts a child and waits until it has gone through that many turns. */
async function start(root: string, role: 'write' | 'prune', turns: number): Promise<ChildProcess> {
  const args = [join(base, 'child.mjs'), root, role, `${role}${turns}`];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let seen = 0;
  for await (const [chunk] of on(child.stdout ?? child, 'data')) {
    seen += (chunk as Buffer).length;
    if (seen >= turns) break;
  }
  child.stdout?.resume();
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  const [code, signal] = await ended;
  expect([code, signal]).toEqual([null, 'SIGKILL']);
}

/** Everything that a name leads to is there and is what it says. */
async function checkWhole(store: Store): Promise<void> {
  for (const image of await store.images.list()) {
    const toId = (found: { digest: `sha256:${string}`; size: number }) => ({
      digest: found.digest,
      sizeBytes: found.size,
    });
    const manifest = JSON.parse((await store.blobs.read(toId(image.descriptor as never))).toString());
    for (const part of [manifest.config, ...manifest.layers]) await store.blobs.read(toId(part));
  }
  for (const key of await store.area('snapshots').list()) {
    expect(readdirSync(store.area('snapshots').path(key))).toEqual(['a', 'b']);
  }
}

describe('a store whose users are killed', () => {
  it('stays whole and usable, at whatever moment writers and collectors die', { timeout: 120_000 }, async () => {
    const root = join(base, 'killed');
    for (let round = 0; round < 4; round++) {
      const children = await Promise.all([
        start(root, 'write', 1 + ((round * 7) % 5)),
        start(root, 'write', 6 + ((round * 3) % 7)),
        start(root, 'prune', 1 + (round % 4)),
      ]);
      for (const child of children) await kill(child);
      const store = await openStore({ root });
      await checkWhole(store);
      const lease = await store.openLease();
      const blob = await store.blobs.put(Buffer.from(`round ${round}`));
      await store.images.set(['docker.io/library/after:latest'], {
        mediaType: 'application/vnd.oci.image.manifest.v1+json',
        digest: blob.digest,
        size: blob.sizeBytes,
      });
      await lease.release();
      await store.images.remove('docker.io/library/after:latest');
      await store.prune({ all: true });
      expect(readdirSync(join(root, 'zlayer/tmp'))).toEqual([]);
      expect(readdirSync(join(root, 'zlayer/trash'))).toEqual([]);
      expect(readdirSync(join(root, 'zlayer/leases'))).toEqual([]);
      expect(existsSync(join(root, 'zlayer/index.lock'))).toBe(false);
    }
  });

  it('never loses what a lease holds to a collector in another process', { timeout: 120_000 }, async () => {
    const root = join(base, 'raced');
    const store = await openStore({ root });
    const children = await Promise.all([start(root, 'prune', 1), start(root, 'prune', 2)]);
    try {
      let kept = 0;
      for (let n = 0; n < 100; n++) {
        const bytes = Buffer.from(`shared ${n % 3}`);
        const id = { digest: digestOf(bytes), sizeBytes: bytes.length };
        const lease = await store.openLease();
        if (await lease.pinBlob(id)) kept++;
        else await store.blobs.put(bytes);
        const key = `${n % 3}`.repeat(64);
        if (!(await lease.pinEntry('snapshots', key))) {
          await store.area('snapshots').create(key, async (path) => writeFileSync(path, 'x'));
        }
        for (let look = 0; look < 5; look++) {
          await new Promise((resolve) => setImmediate(resolve));
          // By path, as whoever mounts or maps a file uses it: no look of ours comes between.
          expect(readFileSync(store.blobs.path(id.digest)).equals(bytes)).toBe(true);
          expect(existsSync(store.area('snapshots').path(key))).toBe(true);
        }
        await lease.release();
      }
      expect(kept).toBeLessThan(100);
    } finally {
      for (const child of children) await kill(child);
    }
  });
});
