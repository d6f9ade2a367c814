import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type BuildEvent, type BuildRequest, build, isBuildError } from '../../src/index.ts';
import { BUILDAH_PROGRAMS, createBuildah } from '../support/buildah.ts';
import { IS_ROOT, lacksPrograms } from '../support/host.ts';
import { makeTempDir, removeTempDir } from '../support/temp-dir.ts';
import { createZlayer } from '../support/zlayer.ts';

// A store on an overlay, as in the root file system of a container: the kernel stacks no writable overlay on it.
const isPossible = IS_ROOT && !lacksPrograms('isolation', [...BUILDAH_PROGRAMS, 'busybox']);
if (!IS_ROOT) process.stderr.write('SKIPPED isolation: only root can mount an overlay for the store.\n');

const home = makeTempDir('isolation');
const dataDir = join(home, 'merged/data');
const context = join(home, 'context');

beforeAll(() => {
  if (!isPossible) return;
  for (const name of ['lower', 'upper', 'work', 'merged', 'context']) mkdirSync(join(home, name));
  const dirs = ['lower', 'upper', 'work'].map((name) => `${name}dir=${join(home, name)}`).join();
  execFileSync('mount', ['-t', 'overlay', 'overlay', '-o', dirs, join(home, 'merged')]);
  copyFileSync('/bin/busybox', join(context, 'busybox'));
  writeFileSync(join(context, 'Dockerfile'), 'FROM scratch\nCOPY busybox /bin/busybox\nRUN ["/bin/busybox", "true"]\n');
  const { env } = createBuildah(home);
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
  vi.stubEnv('ZLAYER_BUILDAH_STORAGE', `overlay@${join(home, 'graph')}+${join(home, 'run')}`);
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await removeTempDir(home);
});

const request: BuildRequest = { context: { kind: 'directory', path: context }, tags: ['presumed'], dataDir };

describe.runIf(isPossible)('a host on which our engine cannot isolate steps', () => {
  it('builds with buildah, says why, and finds the image there afterwards', async () => {
    const warnings: Array<Extract<BuildEvent, { kind: 'warning' }>> = [];
    const onEvent = (event: BuildEvent): void => void (event.kind === 'warning' && warnings.push(event));
    const { references } = await build(request, { onEvent });
    expect(references).toEqual(['docker.io/library/presumed:latest']);
    expect(warnings).toEqual([
      expect.objectContaining({
        code: 'BACKEND_PASSED_OVER',
        message: expect.stringMatching(
          /^buildah-cli builds, because native cannot: As root: the file system of the data/,
        ),
      }),
    ]);
    const { stdout } = await createZlayer(dataDir).run(['images', '--format', 'json']);
    expect(JSON.parse(stdout)).toMatchObject([{ repository: 'presumed' }]);
  });

  it('stays with our engine when that was asked for', async () => {
    const error = await build({ ...request, backend: 'native' }).catch((thrown: unknown) => thrown);
    expect(isBuildError(error, 'HOST_LACKS') && error.hint).toContain('in a container, to one of a volume');
  });

  it('stays with our engine where no step runs', async () => {
    writeFileSync(join(context, 'Dockerfile.copy'), 'FROM scratch\nCOPY busybox /bin/busybox\n');
    const dockerfile = { kind: 'path', path: join(context, 'Dockerfile.copy') } as const;
    const fresh = join(home, 'merged/fresh');
    const { digest } = await build({ ...request, dockerfile, dataDir: fresh });
    const { stdout } = await createZlayer(fresh).run(['images', '--format', 'json']);
    expect(JSON.parse(stdout)).toMatchObject([{ digest }]);
  });
});
