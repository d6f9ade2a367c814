import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { BuildError, type ErrorCode } from '../../core/index.ts';
import { withShortName } from './short-names.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'zlayer-names-'));
  const file = join(directory, 'registries.conf');
  writeFileSync(
    file,
    'unqualified-search-registries = ["a.example", "b.example"]\n[aliases]\ncentos = "quay.io/centos/centos"\n',
  );
  vi.stubEnv('CONTAINERS_REGISTRIES_CONF', file);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(directory, { recursive: true });
});

/** Tries names of which some fail. */
async function tried(name: string, failures: Readonly<Record<string, ErrorCode>> = {}) {
  const names: string[] = [];
  const work = async (candidate: string): Promise<void> => {
    names.push(candidate);
    const code = failures[candidate];
    if (code !== undefined) throw new BuildError(code, candidate);
  };
  const failed = await withShortName(name, work).then(
    () => undefined,
    (error: BuildError) => error.code,
  );
  return { names, failed };
}

describe('withShortName()', () => {
  it("takes a name for Docker Hub's, whatever the files of the host say", async () => {
    expect(await tried('centos')).toEqual({ names: ['centos'], failed: undefined });
    vi.stubEnv('ZLAYER_SHORT_NAMES', 'docker');
    expect((await tried('app')).names).toEqual(['app']);
  });

  it('takes an alias, and looks in one registry after the other, when that is asked for', async () => {
    vi.stubEnv('ZLAYER_SHORT_NAMES', 'containers');
    expect((await tried('centos:9')).names).toEqual(['quay.io/centos/centos:9']);
    const found = await tried('app', { 'a.example/app': 'IMAGE_NOT_FOUND' });
    expect(found).toEqual({ names: ['a.example/app', 'b.example/app'], failed: undefined });
    const nowhere = await tried('app', { 'a.example/app': 'REGISTRY_DENIED', 'b.example/app': 'IMAGE_NOT_FOUND' });
    expect(nowhere.failed).toBe('IMAGE_NOT_FOUND');
  });

  it('takes no image of another registry because one is down', async () => {
    vi.stubEnv('ZLAYER_SHORT_NAMES', 'containers');
    const down = await tried('app', { 'a.example/app': 'REGISTRY_UNAVAILABLE' });
    expect(down).toEqual({ names: ['a.example/app'], failed: 'REGISTRY_UNAVAILABLE' });
  });

  it('refuses a way of names that it does not know', async () => {
    vi.stubEnv('ZLAYER_SHORT_NAMES', 'podman');
    expect((await tried('app')).failed).toBe('USAGE');
  });
});
