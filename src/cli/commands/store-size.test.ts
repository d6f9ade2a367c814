import { describe, expect, it } from 'vitest';
import { runFake } from '../../../test/cli/fake-context.ts';
import type { PruneOptions, Store, UsageItem } from '../../store/index.ts';

const NOW_MS = Date.parse('2026-01-10T12:00:00Z');
const HOUR_MS = 3_600_000;

const ITEMS: readonly UsageItem[] = [
  { kind: 'layer', id: `sha256:${'1'.repeat(64)}`, sizeBytes: 4_000_000, lastUsedMs: NOW_MS - HOUR_MS, inUse: true },
  {
    kind: 'layer',
    id: `sha256:${'2'.repeat(64)}`,
    sizeBytes: 1_000_000,
    lastUsedMs: NOW_MS - 48 * HOUR_MS,
    inUse: false,
  },
  { kind: 'snapshots', id: 'snap', sizeBytes: 5_000_000, lastUsedMs: NOW_MS, inUse: false },
];

/** A store of which only the size is known; it keeps what it was told to prune. */
function createSizedStore(): {
  readonly services: { openStore: () => Promise<Store> };
  readonly pruned: PruneOptions[];
} {
  const pruned: PruneOptions[] = [];
  const store: Pick<Store, 'root' | 'usage' | 'prune'> = {
    root: '/store',
    usage: async () => ITEMS,
    prune: async (options) => {
      pruned.push(options);
      return { removed: [ITEMS[1]!], freedBytes: 1_000_000 };
    },
  };
  return { services: { openStore: async () => store as Store }, pruned };
}

describe('zlayer du', () => {
  it('sums by kind', async () => {
    const { stdout } = await runFake(['du'], createSizedStore());
    expect(stdout.trimEnd().split('\n')).toEqual([
      'TYPE        TOTAL   IN USE   SIZE   RECLAIMABLE',
      'snapshots   1       0        5MB    5MB (100%)',
      'layer       2       1        5MB    1MB (20%)',
      'total       3       1        10MB   6MB (60%)',
    ]);
  });

  it('lists every entry with -v, and everything as JSON', async () => {
    const { services } = createSizedStore();
    const { stdout } = await runFake(['du', '-v'], { services, nowMs: NOW_MS });
    expect(stdout.split('\n')[1]).toMatch(/^snap +snapshots +5MB +no +0 seconds ago$/);
    expect(stdout.split('\n')[3]).toMatch(/^2{24} +layer +1MB +no +2 days ago$/);
    const document = JSON.parse((await runFake(['du', '--format=json'], { services })).stdout);
    expect(document).toMatchObject({ root: '/store', sizeBytes: 10_000_000, reclaimableBytes: 6_000_000 });
    expect(document.items).toHaveLength(3);
  });
});

describe('zlayer prune', () => {
  it('passes the filters on and says what was freed', async () => {
    const { services, pruned } = createSizedStore();
    const line = ['prune', '-af', '--filter', 'until=24h', '--filter=type=layer', '--max-used-space', '2g'];
    expect(await runFake(line, { services, nowMs: NOW_MS })).toMatchObject({
      status: 0,
      stdout: 'Deleted 1 entry: 1MB\n',
    });
    expect(pruned).toEqual([
      { all: true, unusedSinceMs: NOW_MS - 24 * HOUR_MS, kinds: ['layer'], maxUsedBytes: 2 ** 31, dryRun: false },
    ]);
  });

  it('deletes nothing in a dry run, which needs no confirmation', async () => {
    const { services, pruned } = createSizedStore();
    const { stdout } = await runFake(['prune', '--dry-run', '-v'], { services });
    expect(pruned).toEqual([{ all: false, dryRun: true }]);
    expect(stdout).toMatch(/^ID +TYPE +SIZE\nsha256:2+ +layer +1MB\nWould delete 1 entry: 1MB\n$/);
  });

  it.each([
    ['y\n', 0, 1],
    ['yes\n', 0, 1],
    ['n\n', 1, 0],
    ['\n', 1, 0],
  ])('asks, and for %j exits with %d', async (stdin, status, calls) => {
    const { services, pruned } = createSizedStore();
    const outcome = await runFake(['prune'], { services, stdin, stdinIsTerminal: true });
    expect(outcome.status).toBe(status);
    expect(outcome.stderr).toContain('Continue? [y/N] ');
    expect(pruned).toHaveLength(calls);
  });

  it('is cancelled when nobody answers', async () => {
    const { services, pruned } = createSizedStore();
    expect((await runFake(['prune'], { services, stdinIsTerminal: true })).status).toBe(130);
    expect(pruned).toEqual([]);
  });

  it.each([
    [[], 'Add --force'],
    [['-f', '--filter', 'until=soon'], '--filter until takes a duration'],
    [['-f', '--filter', 'type=layers'], 'There is no type "layers"'],
    [['-f', '--filter', 'age=1'], '--filter cannot be "age=1".'],
    [['-f', '--max-used-space=much'], '--max-used-space takes a size'],
  ])('refuses %j', async (args, text) => {
    const { services, pruned } = createSizedStore();
    const { status, stderr } = await runFake(['prune', ...args], { services });
    expect(status).toBe(2);
    expect(stderr).toContain(text);
    expect(pruned).toEqual([]);
  });
});
