import { describe, expect, it } from 'vitest';
import { CLOCK, createTestEngine, directory, file, listing, symlink, type TestEngine } from '../test-engine.fixture.ts';
import { runMkdir } from './run-mkdir.ts';

async function workdir(
  engine: TestEngine,
  { path, user, items }: { path: string; user?: string; items: Parameters<TestEngine['layer']>[0] },
): Promise<{ readonly all: readonly string[]; readonly own: readonly string[]; readonly diffId: string }> {
  const base = await engine.layer(items);
  const op = { kind: 'mkdir', base: 0, path, ...(user === undefined ? {} : { user }) } as const;
  const layer = await runMkdir(
    { env: engine.env },
    { op, inputs: [{ kind: 'layers', layers: [base] }] },
    engine.context,
  );
  return {
    all: listing(await engine.view([base, layer])),
    own: listing(await engine.view([layer])),
    diffId: layer.diffId,
  };
}

describe('runMkdir()', () => {
  it('makes all missing levels 0755, owned by the user, at the build time', async () => {
    await using engine = await createTestEngine();
    const items = [directory('srv', { mode: 0o700 }), file('etc/passwd', 'app:x:7:8::/:\n')];
    const { all } = await workdir(engine, { path: '/srv/a/b', user: 'app', items });
    expect(all.slice(2)).toEqual(['d700 0:0 srv', 'd755 7:8 srv/a', 'd755 7:8 srv/a/b']);
    expect(CLOCK).toBeGreaterThan(0);
  });

  it('makes an empty layer when the directory is there', async () => {
    await using engine = await createTestEngine();
    const { own, diffId } = await workdir(engine, {
      path: '/srv',
      user: 'nobody',
      items: [directory('srv', { uid: 3 })],
    });
    expect(own).toEqual([]);
    expect(diffId).toBe('sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef');
  });

  it('follows links inside the image', async () => {
    await using engine = await createTestEngine();
    const { own } = await workdir(engine, {
      path: '/link/x',
      items: [directory('real'), symlink('link', '../../real')],
    });
    expect(own).toEqual(['d755 0:0 real', 'd755 0:0 real/x']);
  });

  it('gives the directory to root, with a warning, when the image does not know the user', async () => {
    await using engine = await createTestEngine();
    const { all } = await workdir(engine, { path: '/w', user: 'ghost', items: [directory('srv')] });
    expect(all).toContain('d755 0:0 w');
    expect(engine.events).toMatchObject([{ kind: 'warning', code: 'WorkdirOfUnknownUser' }]);
  });

  it('refuses a path through a file', async () => {
    await using engine = await createTestEngine();
    await expect(workdir(engine, { path: '/f/x', items: [file('f')] })).rejects.toMatchObject({
      code: 'COPY_CONFLICT',
    });
  });
});
