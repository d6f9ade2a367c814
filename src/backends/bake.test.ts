import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeTempDir, removeTempDir } from '../../test/support/temp-dir.ts';
import { type BakeEvent, type BakeRequest, type BakeTargetRequest, bake } from './bake.ts';

const root = makeTempDir('bake-api');
const dataDir = join(root, 'store');
const context = { kind: 'directory', path: join(root, 'context') } as const;

function target(text: string, more: Partial<BakeTargetRequest> = {}): BakeTargetRequest {
  return { context, dockerfile: { kind: 'text', text }, ...more };
}

function run(targets: BakeRequest['targets'], more: Partial<BakeRequest> = {}, onEvent?: (event: BakeEvent) => void) {
  return bake({ targets, dataDir, backend: 'native', ...more }, onEvent === undefined ? {} : { onEvent });
}

beforeAll(() => {
  mkdirSync(context.path, { recursive: true });
  writeFileSync(join(context.path, 'a'), 'a');
});
afterAll(() => removeTempDir(root));

describe('bake()', () => {
  it('builds targets on the images of others, which need no name, and tells of each build by its target', async () => {
    const events: BakeEvent[] = [];
    const { targets, failure } = await run(
      {
        app: target('FROM base\nCOPY a /b\n', { buildContexts: { base: 'target:base' }, tags: ['bake-api-app'] }),
        base: target('FROM scratch\nCOPY a /a\n', { outputs: [{ kind: 'cacheonly' }] }),
      },
      {},
      (event) => events.push(event),
    );
    expect(failure).toBeUndefined();
    expect(Object.keys(targets)).toEqual(['app', 'base']);
    const { app, base } = targets;
    if (app?.kind !== 'built' || base?.kind !== 'built') throw new Error('not built');
    expect(app.result.layers[0]).toEqual(base.result.layers[0]);
    const kinds = (of: string) => events.filter((event) => event.target === of).map(({ kind }) => kind);
    expect(kinds('base').at(0)).toBe('build-started');
    expect(kinds('app').at(-1)).toBe('build-completed');
    const planned = events.flatMap((event) => (event.kind === 'build-planned' ? event.vertices : []));
    expect(planned.map(({ name }) => name)).toContain('[1/2] FROM target:base');
  });

  it('reads every Dockerfile before a step runs, and gives each target its verdict', async () => {
    const broken = { good: target('FROM scratch\nCOPY a /only-here\n'), bad: target('FRM scratch\n') };
    const stopped = await run(broken);
    expect(stopped.failure).toMatchObject({ kind: 'input' });
    expect(stopped.targets).toMatchObject({ good: { kind: 'cancelled' }, bad: { kind: 'failed' } });
    const needing = target('FROM x\n', { buildContexts: { x: 'target:bad' } });
    const wentOn = await run({ ...broken, needing }, { keepGoing: true });
    expect(wentOn.targets).toMatchObject({
      good: { kind: 'built' },
      bad: { kind: 'failed' },
      needing: { kind: 'skipped', because: 'bad' },
    });
  });

  it.each<[message: string, targets: BakeRequest['targets']]>([
    ['There is nothing to push', { a: target('FROM scratch\n', { push: true }) }],
    [
      'The target "a" is for linux/arm64, and needs "b", which is not.',
      {
        a: target('FROM b\n', { platform: 'linux/arm64', buildContexts: { b: 'target:b' } }),
        b: target('FROM scratch\n', { platform: 'linux/amd64' }),
      },
    ],
    ['needs "b", which is not there', { a: target('FROM b\n', { buildContexts: { b: 'target:b' } }) }],
  ])('rejects with: %s', async (message, targets) => {
    await expect(run(targets)).rejects.toThrow(message);
  });

  it('rejects when it is cancelled', async () => {
    const targets = { a: target('FROM scratch\nCOPY a /c\n') };
    await expect(bake({ targets, dataDir }, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'CANCELLED',
    });
  });
});
