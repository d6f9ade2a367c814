import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { build } from '../../src/index.ts';
import { readLayout } from '../support/oci-layout.ts';

const home = mkdtempSync(join(tmpdir(), 'zlayer-inherit-'));
const dataDir = join(home, 'store');

afterAll(() => rmSync(home, { recursive: true, force: true }));

describe('build() from an image with labels and annotations', () => {
  it('passes labels on, and annotations not', async () => {
    const annotations = { 'org.example.note': 'base' };
    await make('FROM scratch\nLABEL kept=yes\n', { tags: ['localhost/annotated:1'], annotations });
    await make('FROM localhost/annotated:1\nCMD ["x"]\n', { tags: ['localhost/child:1'] });
    expect(readLayout(dataDir, 'localhost/annotated:1').manifest['annotations']).toEqual(annotations);
    const child = readLayout(dataDir, 'localhost/child:1');
    expect(child.manifest['annotations']).toBeUndefined();
    expect(child.config['config']).toMatchObject({ Labels: { kept: 'yes' } });
  });
});

async function make(
  text: string,
  options: { readonly tags: readonly string[]; readonly annotations?: Readonly<Record<string, string>> },
): Promise<void> {
  await build({ context: { kind: 'empty' }, dockerfile: { kind: 'text', text }, dataDir, ...options });
}
