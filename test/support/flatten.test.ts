import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { flattenLayers } from './flatten.ts';
import { digestFile, type LayerBlob } from './oci-layout.ts';
import { makeTempDir, removeTempDir } from './temp-dir.ts';

describe('flattenLayers()', () => {
  const root = makeTempDir('flat');
  let count = 0;
  afterAll(() => removeTempDir(root));

  it('lets an upper file replace a lower one, and keeps the rest', async () => {
    const tree = await flatten('echo one > a; echo two > b', 'echo new > a');
    expect([...tree.keys()]).toEqual(['', 'a', 'b']);
    expect(tree.get('a')?.size).toBe(4);
  });

  it('hides what a whiteout names, and what lies below it', async () => {
    const tree = await flatten('mkdir -p d/e; echo x > d/e/f; echo y > g', 'mkdir d; : > d/.wh.e; : > .wh.g');
    expect([...tree.keys()]).toEqual(['', 'd']);
  });

  it('keeps what stands beside an opaque mark in the same layer', async () => {
    const tree = await flatten('mkdir d; echo x > d/old', 'mkdir d; echo y > d/new; : > d/.wh..wh..opq');
    expect([...tree.keys()]).toEqual(['', 'd', 'd/new']);
  });

  it('removes a directory that a file replaces', async () => {
    const tree = await flatten('mkdir d; echo x > d/f', 'echo y > d');
    expect([...tree.keys()]).toEqual(['', 'd']);
    expect(tree.get('d')?.kind).toBe('file');
  });

  it('tells the names of one file, and that a replaced name has left them', async () => {
    expect((await flatten('echo x > a; ln a b; ln a c')).get('b')?.linkGroup).toBe('a\nb\nc');
    const tree = await flatten('echo x > a; ln a b; ln a c', 'echo y > a');
    expect([tree.get('a')?.linkGroup, tree.get('b')?.linkGroup]).toEqual(['', 'b\nc']);
  });

  it('refuses a layer that is not what its diff ID says', async () => {
    const layer = await makeLayer('echo x > a');
    const lying = { ...layer, diffId: `sha256:${'0'.repeat(64)}` };
    await expect(flattenLayers([lying], join(root, 'lists'))).rejects.toThrow('its diff ID is');
  });

  async function flatten(...scripts: readonly string[]): Promise<Awaited<ReturnType<typeof flattenLayers>>> {
    const layers: LayerBlob[] = [];
    for (const script of scripts) layers.push(await makeLayer(script));
    return flattenLayers(layers, join(root, 'lists'));
  }

  async function makeLayer(script: string): Promise<LayerBlob> {
    const folder = join(root, String(count++));
    execFileSync('bash', ['-euc', `mkdir "$1"; cd "$1"; ${script}`, 'bash', folder]);
    const path = `${folder}.tar`;
    execFileSync('tar', ['-C', folder, '--sort=name', '-cf', path, '.']);
    const digest = await digestFile(path);
    return { path, digest, diffId: digest, mediaType: 'application/vnd.oci.image.layer.v1.tar' };
  }
});
