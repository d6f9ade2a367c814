import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createSidecarBackend } from '../../src/backends/buildah-sidecar/sidecar-backend.ts';
import { describeBackends } from '../../src/backends/describe-backends.ts';
import { buildWith, openRegistry } from '../../src/backends/index.ts';
import { loadRequest } from '../../src/backends/request/load-request.ts';
import { startOf } from '../../src/rpc/index.ts';
import { openStore } from '../../src/store/index.ts';
import { makeTempDir, removeTempDir } from '../support/temp-dir.ts';
import { createZlayer } from '../support/zlayer.ts';
import { observe } from './sidecar-fixture.ts';

let root: string;
beforeAll(() => {
  root = makeTempDir('respawn');
});
afterAll(() => removeTempDir(root));

/** The daemon of the built command, which ends after a second without work. */
function writeImpatientDaemon(): string {
  const { argv } = createZlayer(join(root, 'data'));
  const path = join(root, 'zlayer-buildd');
  const command = argv.map((word) => `'${word}'`).join(' ');
  writeFileSync(path, `#!/bin/sh\necho $$ >> '${root}/started'\nexec ${command} buildd "$@" --idle-secs 1\n`);
  chmodSync(path, 0o755);
  return path;
}

const started = (): readonly number[] => readFileSync(join(root, 'started'), 'utf8').trim().split('\n').map(Number);

async function untilGone(pid: number): Promise<void> {
  const isThere = (): boolean => startOf(pid) !== undefined;
  for (let round = 0; round < 600 && isThere(); round++) await new Promise((resolve) => setTimeout(resolve, 25));
  expect(isThere()).toBe(false);
}

describe('a daemon that ended because nobody needed it', () => {
  it('is started again by a client that has used it, and lives while the client builds', async () => {
    const store = await openStore({ root: join(root, 'data') });
    const env = { ZLAYER_BUILDD_BIN: writeImpatientDaemon(), PATH: process.env['PATH'], HOME: root };
    const backend = createSidecarBackend({ store, env });
    const { context } = observe();
    // Whoever only asks what could build starts none.
    const registry = openRegistry();
    const report = await describeBackends({ store, registry: registry.client, env }, context);
    expect(report.backends.find(({ name }) => name === 'buildah-sidecar')?.status).toBe('started-on-demand');
    await registry.close();
    expect(existsSync(join(root, 'started'))).toBe(false);
    expect(await backend.listImages(context)).toEqual([]);
    const [first] = started();
    await untilGone(first!);
    writeFileSync(join(root, 'Dockerfile'), 'FROM scratch\nCOPY started /\n');
    const request = { context: { kind: 'directory', path: root }, tags: ['localhost/again'] } as const;
    const built = await buildWith(backend, { loaded: await loadRequest(store, request, context) }, context);
    expect(built.references).toEqual(['localhost/again:latest']);
    // The second daemon has the store of the first.
    expect((await backend.listImages(context)).flatMap(({ references }) => references)).toEqual([
      'localhost/again:latest',
    ]);
    const [, second, ...others] = started();
    expect(others).toEqual([]);
    await backend.close();
    await untilGone(second!);
  });
});
