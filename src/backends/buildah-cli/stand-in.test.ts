import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { makeTempDir, removeTempDir } from '../../../test/support/temp-dir.ts';
import { openStore } from '../../store/index.ts';
import { loadRequest } from '../request/load-request.ts';
import type { BuildBackend, BuildRequest } from '../types.ts';
import { createBuildahBackend } from './buildah-backend.ts';
import { findBadPair } from './known-pairs.ts';

const QUIET = { signal: new AbortController().signal, emit: () => undefined };
const roots: string[] = [];

/**
 * Programs that stand in for a buildah and a host that this one has not: they tell versions, write down what they are asked,
 * and run no step. `isolations` are those under which steps run.
 */
async function openStandIn({ version = '1.44.0', isolations = ['oci', 'rootless'] } = {}) {
  const root = makeTempDir('standin');
  roots.push(root);
  const store = await openStore({ root });
  mkdirSync(join(root, 'bin'));
  const calls = join(root, 'calls');
  const script = `#!/bin/sh
echo "$*" >> ${calls}
case "$*" in
  --version) echo "buildah version ${version} (image-spec 1.1.1, runtime-spec 1.2.1)" ;;
  *"from scratch"*) echo working-container ;;
  *"run --isolation "*)
    for each in ${isolations.join(' ')}; do
      case "$*" in *"--isolation $each "*) echo "exec: /zlayer-isolation-probe: no such file or directory" >&2; exit 1 ;; esac
    done
    echo "error running container: from /usr/bin/crun creating container for [x]: no cgroups here: exit status 1" >&2
    exit 1 ;;
  *" build "*|build*)
    for each; do case "$each" in --iidfile=*) echo sha256:abc > "\${each#--iidfile=}" ;; --file=*) cat "\${each#--file=}" >> ${calls} ;; esac; done ;;
  *inspect*) exit 125 ;;
esac
`;
  writeFileSync(join(root, 'bin', 'buildah'), script, { mode: 0o755 });
  writeFileSync(join(root, 'bin', 'netavark'), '#!/bin/sh\necho netavark 1.17.2\n', { mode: 0o755 });
  writeFileSync(calls, '');
  const { BUILDAH_ISOLATION: _isolation, ...env } = process.env;
  const backend = createBuildahBackend({ store, env, registry: () => Promise.reject(new Error('none')) });
  const build = async (lines: readonly string[], more: Partial<BuildRequest> = {}): Promise<unknown> => {
    const request: BuildRequest = {
      context: { kind: 'empty' },
      dockerfile: { kind: 'text', text: `${lines.join('\n')}\n` },
      ...more,
    };
    return backend.buildImage(await loadRequest(store, request, QUIET), QUIET);
  };
  return { root, backend, build, calls: () => readFileSync(calls, 'utf8') };
}

const detailsOf = async (backend: BuildBackend): Promise<string> => {
  const found = await backend.isAvailable(QUIET);
  return found.available ? (found.details ?? '') : found.reasons.join(' ');
};

afterAll(() => Promise.all(roots.map((root) => removeTempDir(root))));

describe('the isolation of buildah', () => {
  const [best] = process.getuid?.() === 0 ? ['oci'] : ['rootless'];

  it('is that of a runtime where one works, and steps get networks and rights from it', async () => {
    const { backend, build, calls } = await openStandIn();
    expect(await detailsOf(backend)).toMatch(new RegExp(`^buildah 1\\.44\\.0 .*isolation ${best}`));
    expect(backend.capabilities['shm-size']).toBe(true);
    const lines = ['FROM scratch', 'RUN ["/a"]', 'RUN --network=none ["/b"]', 'RUN --security=insecure ["/c"]'];
    const allow = ['security.insecure'];
    await expect(build(lines, { allow, shmSizeBytes: 4096 })).rejects.toMatchObject({ code: 'BACKEND_FAILED' });
    const [plain, cut, mighty] = calls()
      .split('\n')
      .filter((line) => line.includes('--iidfile'));
    expect(plain).toContain(`--isolation=${best} --network=host`);
    expect(plain).toContain('--shm-size=4096b');
    expect(cut).toContain(`--isolation=${best} --network=none`);
    expect(mighty).toContain('--cap-add=all');
    expect(plain).not.toContain('--cap-add');
    // Each goes on from what the one before has made.
    expect(calls().match(/^FROM .*$/gm)).toEqual(['FROM scratch', 'FROM abc', 'FROM abc']);
  });

  it('is chroot where no runtime works, and says why', async () => {
    const { backend, calls } = await openStandIn({ isolations: ['chroot'] });
    expect(await detailsOf(backend)).toMatch(new RegExp(`isolation chroot; not ${best}: .*no cgroups here`));
    expect(backend.capabilities['shm-size']).toContain('/dev/shm');
    expect(calls()).toContain('rm working-container');
  });

  it('is missing where nothing works', async () => {
    const { backend } = await openStandIn({ isolations: [] });
    expect(await backend.isAvailable(QUIET)).toMatchObject({
      available: false,
      reasons: [expect.stringMatching(/can run no steps here: .*no cgroups here.*; chroot: /)],
    });
  });
});

describe('findBadPair()', () => {
  const version = { major: 1, minor: 44, patch: 0 };

  it('knows of buildah 1.44 and netavark 1.17, and asks no other', async () => {
    const { root } = await openStandIn();
    const directories = [join(root, 'bin')];
    const pair = await findBadPair({ version, env: {} }, directories);
    expect(pair?.what).toContain('buildah 1.44.0 and netavark 1.17.2');
    expect(await findBadPair({ version: { ...version, minor: 43 }, env: {} }, directories)).toBeUndefined();
    writeFileSync(join(root, 'bin', 'netavark'), '#!/bin/sh\necho netavark 1.18.0\n', { mode: 0o755 });
    expect(await findBadPair({ version, env: {} }, directories)).toBeUndefined();
    expect(await findBadPair({ version, env: {} }, [])).toBeUndefined();
  });
});
