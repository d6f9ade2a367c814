import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BuildError } from '../../core/index.ts';
import { BuildRequestSchema } from '../../rpc/index.ts';
import { createActivity } from '../activity.ts';
import type { ClientContexts } from '../contexts/client-contexts.ts';
import { createDaemonLog } from '../daemon-log.ts';
import {
  type BuildRegistry,
  type BuildRegistryDeps,
  createBuildRegistry,
  type StartedBuild,
} from './build-registry.ts';
import { createBuildQueue } from './queue.ts';

const ALICE = 'a'.repeat(64);
const BOB = 'b'.repeat(64);

let directory: string;
let registry: BuildRegistry;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'zl-builds-'));
  registry = createBuildRegistry({
    directory,
    // Whatever is started waits.
    queue: createBuildQueue(0),
    activity: createActivity({ idleMs: 0, onIdle: () => undefined }),
    log: createDaemonLog(() => undefined, 'error'),
    detachMs: 60_000,
  } as unknown as BuildRegistryDeps);
});
afterEach(() => {
  registry.close();
  rmSync(directory, { recursive: true, force: true });
});

const start = (identity: string): StartedBuild =>
  registry.start({
    identity,
    message: create(BuildRequestSchema),
    contexts: {} as ClientContexts,
    canAnswer: false,
  });
const startAll = (identity: string, count: number): readonly StartedBuild[] =>
  Array.from({ length: count }, () => start(identity));
const isKnown = (identity: string, { id }: StartedBuild): boolean => {
  try {
    registry.get(identity, id);
    return true;
  } catch {
    return false;
  }
};
const CANCELLED = new BuildError('CANCELLED', 'The test is over.');

describe('createBuildRegistry()', () => {
  it('lets a client have 256 builds at once, and others as well', async () => {
    startAll(ALICE, 256);
    expect(() => start(ALICE)).toThrow(expect.objectContaining({ code: 'DAEMON_BUSY', kind: 'unavailable' }));
    const other = start(BOB);
    registry.get(BOB, other.id).cancel(CANCELLED);
    await other.ended;
    registry.cancelAll(CANCELLED);
    await registry.whenEnded();
    expect(() => start(ALICE)).not.toThrow();
  });

  it('forgets what ended first when a client leaves many ends behind, with its files', async () => {
    const builds = startAll(ALICE, 70);
    const other = start(BOB);
    registry.cancelAll(CANCELLED);
    await registry.whenEnded();
    const last = start(ALICE);
    const known = [...builds, last].filter((build) => isKnown(ALICE, build));
    expect(known).toEqual([...builds.slice(-63), last]);
    expect(isKnown(BOB, other)).toBe(true);
    expect(readdirSync(directory)).toHaveLength(65);
    last.cancel(CANCELLED);
    await last.ended;
  });
});
