import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { makeTempDir, removeTempDir } from '../../../test/support/temp-dir.ts';
import type { BakeTargetRequest } from '../../backends/index.ts';
import type { BakeTarget } from '../../bake/index.ts';
import { parseGrants, requireGrants } from './bake-grants.ts';

const root = makeTempDir('grants');
const cwd = join(root, 'project');
mkdirSync(cwd);
symlinkSync(root, join(cwd, 'up'));
afterAll(() => removeTempDir(root));

interface Asked {
  readonly target?: BakeTarget;
  readonly request?: Partial<BakeTargetRequest>;
  readonly env?: Readonly<Record<string, string>>;
}

function ask({ target = {}, request = {}, env = {} }: Asked, ...allow: readonly string[]): void {
  const full: BakeTargetRequest = { context: { kind: 'directory', path: '.' }, ...request };
  requireGrants([{ name: 'app', target, request: full }], parseGrants(allow), { cwd, env });
}

describe('requireGrants()', () => {
  it.each<[asked: Asked, grant: string]>([
    [{ target: { entitlements: ['security.insecure'] } }, 'security.insecure'],
    [{ target: { network: 'host' } }, 'network.host'],
    [{ target: { ssh: ['default'] } }, 'ssh'],
    [{ request: { context: { kind: 'directory', path: '..' } } }, `fs.read=${root}`],
    [{ request: { context: { kind: 'directory', path: 'up' } } }, `fs.read=${root}`],
    [{ request: { buildContexts: { x: '../x', y: 'https://host/y.git', z: 'target:z' } } }, `fs.read=${root}/x`],
    [{ request: { secrets: { npm: { kind: 'file', path: '/etc/npmrc' } } } }, 'fs.read=/etc/npmrc'],
    [{ request: { outputs: [{ kind: 'local', destination: '../out' }] } }, `fs.write=${root}/out`],
    [{ request: { cacheTo: [{ kind: 'local', directory: '../cache', mode: 'min' }] } }, `fs.write=${root}/cache`],
    [{ request: { cacheMountsTo: [{ kind: 'local', directory: '../m' }] } }, `fs.write=${root}/m`],
    [{ request: { cacheMountsFrom: [{ kind: 'local', directory: '../m' }] } }, `fs.read=${root}/m`],
  ])('refuses %j until it is granted, and says how', (asked, grant) => {
    expect(() => ask(asked)).toThrow(
      expect.objectContaining({ code: 'NOT_ALLOWED', hint: expect.stringContaining(`--allow ${grant}`) }),
    );
    expect(() => ask(asked, grant)).not.toThrow();
  });

  it('takes paths below a granted one, every path with fs=*, and asks nothing where buildx is told not to', () => {
    const asked: Asked = { request: { context: { kind: 'directory', path: '../a/b' } } };
    expect(() => ask(asked, 'fs.read=../a')).not.toThrow();
    expect(() => ask(asked, 'fs=*')).not.toThrow();
    expect(() => ask(asked, 'fs.write=*')).toThrow('to read');
    expect(() => ask({ ...asked, env: { BUILDX_BAKE_ENTITLEMENTS_FS: '0' } })).not.toThrow();
  });

  it('grants nothing for what lies below the current directory, or is no path of this host', () => {
    expect(() =>
      ask({ request: { outputs: [{ kind: 'tar', destination: '-' }], buildContexts: { x: 'docker-image://x' } } }),
    ).not.toThrow();
    expect(() => parseGrants(['everything'])).toThrow('There is no right "everything"');
  });
});
