import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BuildError } from '../../src/core/index.ts';
import type { BuildRequest } from '../../src/rpc/index.ts';
import { createSignal, type Fixture, type Implementation, observe, openFixture } from './sidecar-fixture.ts';

let fixture: Fixture;
beforeEach(async () => {
  fixture = await openFixture();
});
afterEach(() => fixture.close());

const ID = 'b'.repeat(64);
const failureOf = (work: Promise<unknown>): Promise<BuildError> =>
  work.then(
    () => expect.unreachable('it did not fail'),
    (error: BuildError) => error,
  );

/** A daemon of the first protocol: the messages of the extensions are not there. */
function oldDaemon(build: Implementation['build']): Implementation {
  return {
    inspect: async () => ({ sidecarVersion: 'v0.1', buildahVersion: 'v1.44.0' }),
    ...(build === undefined ? {} : { build }),
    push: async ({ image, destination, auth }) => {
      expect([image, destination, auth?.username]).toEqual(['app', 'docker://r.example/app', 'me']);
      return { pushedDigest: `sha256:${ID}` };
    },
  };
}

describe('a daemon of the first protocol', () => {
  it('builds what it sees through the mount, from the Dockerfile that was read', async () => {
    const sent = createSignal<BuildRequest>();
    let text = '';
    const { address } = await fixture.serve(
      oldDaemon(async function* (request) {
        sent.resolve(request);
        // The guest's directory is `/guest`, which is the fixture's root.
        text = readFileSync(request.dockerfilePaths[0]!.replace('/guest', fixture.root), 'utf8');
        yield { event: { case: 'log', value: { line: 'STEP 1/1: FROM scratch' } } };
        yield { event: { case: 'finished', value: { imageId: ID } } };
      }),
    );
    fixture.write({ Dockerfile: 'FROM scratch\n' });
    const loaded = await fixture.load({ tags: ['app'], pull: 'always' });
    fixture.write({ Dockerfile: 'FROM other\n' });
    const { context, events } = observe();
    const mount = { ZLAYER_BUILDD_CONTEXT_MOUNT: `${fixture.root}:/guest` };
    const result = await fixture.backend(address, mount).buildImage(loaded, context);
    expect(await sent.promise).toMatchObject({ contextDir: '/guest/context', tags: ['app'], pullPolicy: 'always' });
    expect((await sent.promise).extension).toBeUndefined();
    expect(text).toBe('FROM scratch\n');
    expect(result).toMatchObject({ configDigest: `sha256:${ID}`, references: ['docker.io/library/app:latest'] });
    expect(events).toContainEqual(expect.objectContaining({ kind: 'log', text: 'STEP 1/1: FROM scratch\n' }));
    // Nothing of ours is left beside the context.
    expect(readdirSync(fixture.root).filter((name) => name.startsWith('.zlayer'))).toEqual([]);
  });

  it('is not asked to build what it cannot see', async () => {
    const { address } = await fixture.serve(
      oldDaemon(async function* () {
        yield expect.unreachable('it was asked');
      }),
    );
    fixture.write({ Dockerfile: 'FROM scratch\n' });
    const error = await failureOf(fixture.backend(address).buildImage(await fixture.load(), observe().context));
    expect(error).toMatchObject({ code: 'UNSUPPORTED', hint: expect.stringContaining('ZLAYER_BUILDD_CONTEXT_MOUNT') });
    mkdirSync(join(fixture.root, 'elsewhere'));
    const mount = { ZLAYER_BUILDD_CONTEXT_MOUNT: `${join(fixture.root, 'elsewhere')}:/guest` };
    const outside = await failureOf(
      fixture.backend(address, mount).buildImage(await fixture.load(), observe().context),
    );
    expect(outside.code).toBe('UNSUPPORTED');
  });

  it('tells what went wrong, by its word for it', async () => {
    const { address } = await fixture.serve(
      oldDaemon(async function* () {
        yield { event: { case: 'error', value: { message: 'exit status 7', kind: 'exec' } } };
      }),
    );
    fixture.write({ Dockerfile: 'FROM scratch\n' });
    const mount = { ZLAYER_BUILDD_CONTEXT_MOUNT: `${fixture.root}:/guest` };
    const error = await failureOf(fixture.backend(address, mount).buildImage(await fixture.load(), observe().context));
    expect(error).toMatchObject({ code: 'BACKEND_FAILED', message: expect.stringContaining('(exec): exit status 7') });
  });

  it('lacks what only the extensions carry, and says so', async () => {
    const { address } = await fixture.serve(oldDaemon(undefined));
    const backend = fixture.backend(address);
    expect(await backend.isAvailable(observe().context)).toMatchObject({ available: true });
    expect(backend.capabilities['mount-secret']).toMatch(/extensions/);
    expect(backend.capabilities['output-oci']).toMatch(/extensions/);
    expect(backend.capabilities['mount-cache']).toBe(true);
    expect(await failureOf(backend.listImages(observe().context))).toMatchObject({ code: 'UNSUPPORTED' });
    const receipt = await backend.pushImage(
      {
        image: 'app',
        destination: 'r.example/app',
        credentials: { 'r.example': { kind: 'basic', username: 'me', password: 'x' } },
      },
      observe().context,
    );
    expect(receipt).toMatchObject({ reference: 'r.example/app:latest', digest: `sha256:${ID}` });
  });
});
