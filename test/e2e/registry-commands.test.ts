import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lacksPrograms } from '../support/host.ts';
import { openRegistry, type Registry } from '../support/registry.ts';
import { makeTempDir, removeTempDir } from '../support/temp-dir.ts';
import { createZlayer, type Zlayer } from '../support/zlayer.ts';

const skip = lacksPrograms('commands on registries', ['docker-registry']);

describe.skipIf(skip)('zlayer registry', () => {
  const root = makeTempDir('registry-commands');
  let registry: Registry;
  let zlayer: Zlayer;

  beforeAll(async () => {
    registry = await openRegistry(root);
    zlayer = createZlayer(join(root, 'store'));
    const context = join(root, 'context');
    mkdirSync(context);
    writeFileSync(join(context, 'Dockerfile'), 'FROM scratch\nCOPY Dockerfile /\n');
    const names = ['team/app:1', 'team/app:2', 'other:1'].flatMap((name) => ['-t', `${registry.host}/${name}`]);
    await zlayer.run(['build', '--push', '--label', 'of=app', ...names, context]);
  }, 60_000);
  afterAll(async () => {
    await registry?.close();
    await removeTempDir(root);
  });

  it('lists repositories and tags', async () => {
    const { host } = registry;
    expect((await zlayer.run(['registry', 'ls', host])).stdout).toBe(`${host}/other\n${host}/team/app\n`);
    expect((await zlayer.run(['registry', 'tags', `${host}/team/app`])).stdout).toBe('1\n2\n');
    const json = await zlayer.run(['registry', 'tags', '--format=json', `${host}/team/app`]);
    expect(JSON.parse(json.stdout)).toEqual(['1', '2']);
  });

  it('copies an image byte for byte, and tells its digest', async () => {
    const from = `docker://${registry.host}/team/app:1`;
    const layout = join(root, 'layout');
    const digestFile = join(root, 'digest');
    const copied = await zlayer.run(['copy', '--all', '--digestfile', digestFile, from, `oci:${layout}:1`]);
    const digest = readFileSync(digestFile, 'utf8').trim();
    expect(copied.stdout).toBe(`oci:${layout}:1: ${digest}\n`);
    expect((await zlayer.run(['copy', '-q', `oci:${layout}`, `${registry.host}/copied:1`])).stdout).toBe(`${digest}\n`);
    await zlayer.run(['copy', `${registry.host}/copied:1`, 'store:copied:1']);
    expect((await zlayer.run(['inspect', '--format=json', 'copied:1'])).stdout).toContain(digest);
    const wrong = await zlayer.tryRun(['copy', '--format', 'v2s2', from, 'oci:x']);
    expect([wrong.exitCode, wrong.stderr]).toEqual([3, expect.stringContaining('a copy is what its source is')]);
  });

  it('deletes an image, and refuses a name without a tag', async () => {
    const name = `${registry.host}/other`;
    const refused = await zlayer.tryRun(['registry', 'rm', name]);
    expect([refused.exitCode, refused.stderr]).toEqual([2, expect.stringContaining('neither tag nor digest')]);
    expect((await zlayer.run(['registry', 'rm', `${name}:1`])).stdout).toMatch(/^Deleted: .*other:1 \(sha256:/);
    expect((await zlayer.tryRun(['pull', `${name}:1`])).stderr).toContain('not');
    expect((await zlayer.run(['registry', 'tags', name])).stdout).toBe('');
  });
});
