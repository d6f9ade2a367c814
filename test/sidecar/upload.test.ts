import { chmodSync, linkSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { digestOf } from '../../src/core/index.ts';
import { type TreeEntry, TreeEntry_Type } from '../../src/rpc/index.ts';
import {
  accepted,
  createSignal,
  type Fixture,
  finished,
  type Implementation,
  observe,
  openFixture,
} from './sidecar-fixture.ts';
import { openTcpLink } from './tcp-link.ts';

let fixture: Fixture;
beforeEach(async () => {
  fixture = await openFixture();
});
afterEach(() => fixture.close());

/** A daemon that keeps contents, and can be told to break off in the middle of one. */
function createContentDaemon(onChunk: (received: number) => void = () => undefined) {
  const contents = new Map<string, Buffer>();
  const trees: TreeEntry[][] = [];
  const uploads: string[] = [];
  const implementation: Implementation = {
    offerTree: async (messages) => {
      const entries: TreeEntry[] = [];
      for await (const message of messages) entries.push(...message.entries);
      trees.push(entries);
      const files = entries.filter(({ type }) => type === TreeEntry_Type.FILE);
      const missing = new Map(
        files
          .filter(({ digest, size }) => (contents.get(hex(digest))?.length ?? -1) !== Number(size))
          .map(({ digest }) => [hex(digest), { digest, have: BigInt(contents.get(hex(digest))?.length ?? 0) }]),
      );
      return { tree: `sha256:${'2'.repeat(64)}`, missing: [...missing.values()] };
    },
    uploadContent: async (chunks) => {
      let received = 0;
      for await (const { digest, offset, data, last } of chunks) {
        const key = hex(digest);
        const had = contents.get(key) ?? Buffer.alloc(0);
        uploads.push(`${key.slice(0, 8)}@${offset}`);
        expect(Number(offset)).toBe(had.length);
        contents.set(key, Buffer.concat([had, data]));
        if (last) expect(digestOf(contents.get(key)!)).toBe(`sha256:${key}`);
        received += data.length;
        onChunk(received);
      }
      return { bytes: BigInt(received) };
    },
    async *session() {
      yield accepted('x');
      yield finished(2);
    },
  };
  return { implementation, contents, trees, uploads };
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const pathsOf = (entries: readonly TreeEntry[]): string[] => entries.map(({ path }) => Buffer.from(path).toString());

describe('buildImage()', () => {
  it('offers what the ignore rules leave, in the order of the bytes, with links and modes', async () => {
    const directory = fixture.write({
      Dockerfile: 'FROM scratch\nCOPY . /\n',
      '.dockerignore': 'secret\n*.log\n!keep.log\n',
      secret: 'no',
      'x.log': 'no',
      'keep.log': 'yes',
      'a/b': '1',
      'a-b': '2',
      'ü/ö': '3',
    });
    symlinkSync('a/b', join(directory, 'link'));
    linkSync(join(directory, 'a-b'), join(directory, 'hard'));
    chmodSync(join(directory, 'keep.log'), 0o750);
    const daemon = createContentDaemon();
    const { address } = await fixture.serve(daemon.implementation);
    await fixture.backend(address).buildImage(await fixture.load(), observe().context);
    const [entries = []] = daemon.trees;
    expect(pathsOf(entries)).toEqual([
      '.dockerignore',
      'Dockerfile',
      'a',
      'a-b',
      'a/b',
      'hard',
      'keep.log',
      'link',
      'ü',
      'ü/ö',
    ]);
    const byPath = new Map(entries.map((entry) => [Buffer.from(entry.path).toString(), entry]));
    expect(byPath.get('link')).toMatchObject({ type: TreeEntry_Type.SYMLINK, target: Buffer.from('a/b') });
    expect(byPath.get('hard')).toMatchObject({ type: TreeEntry_Type.HARD_LINK, target: Buffer.from('a-b') });
    expect(byPath.get('keep.log')).toMatchObject({ mode: 0o750, size: 3n });
    expect([...daemon.contents.values()].map(String)).not.toContain('no');
  });

  it('sends only what the daemon lacks, and tells how much', async () => {
    fixture.write({ Dockerfile: 'FROM scratch\nCOPY . /\n', big: Buffer.alloc(700_000, 1), same: 'x', other: 'x' });
    const daemon = createContentDaemon();
    const { address } = await fixture.serve(daemon.implementation);
    const backend = fixture.backend(address);
    const first = observe();
    await backend.buildImage(await fixture.load(), first.context);
    const bytes = 700_000 + 1 + 'FROM scratch\nCOPY . /\n'.length;
    expect(first.events).toContainEqual(
      expect.objectContaining({ kind: 'transfer', done: true, currentBytes: bytes, totalBytes: bytes }),
    );
    daemon.uploads.length = 0;
    fixture.write({ same: 'changed' });
    const second = observe();
    await backend.buildImage(await fixture.load(), second.context);
    expect(daemon.uploads).toEqual([`${hex(Buffer.from(digestOf('changed').slice(7), 'hex')).slice(0, 8)}@0`]);
    expect(second.events).toContainEqual(expect.objectContaining({ kind: 'transfer', done: true, totalBytes: 7 }));
  });

  it('goes on with an upload that was broken off where it was', async () => {
    fixture.write({ Dockerfile: 'FROM scratch\nCOPY . /\n', big: Buffer.alloc(5_000_000, 3) });
    let cuts = 0;
    const daemon = createContentDaemon((received) => {
      if (received < 1_000_000 || cuts > 0) return;
      cuts++;
      link.cut();
      setImmediate(() => link.restore());
    });
    const { address } = await fixture.serve(daemon.implementation);
    const link = await openTcpLink(address);
    const { context, events } = observe();
    await fixture.backend(link.address).buildImage(await fixture.load(), context);
    const big = daemon.uploads.filter((upload) => upload.startsWith(digestOf(Buffer.alloc(5_000_000, 3)).slice(7, 15)));
    // Every byte came once.
    expect(new Set(big).size).toBe(big.length);
    expect(cuts).toBe(1);
    expect(daemon.trees).toHaveLength(2);
    expect(events).toContainEqual(expect.objectContaining({ code: 'DAEMON_CONNECTION_LOST' }));
    await link.close();
  });

  it('sends named contexts that are directories, and names the others', async () => {
    fixture.write({ Dockerfile: 'FROM scratch\nCOPY --from=extra f /\n', 'extra/f': 'f' });
    const daemon = createContentDaemon();
    const sent = createSignal<{ readonly [name: string]: string }>();
    const { address } = await fixture.serve({
      ...daemon.implementation,
      async *session(requests) {
        for await (const { message } of requests) {
          if (message.case === 'start') sent.resolve(message.value.extension?.buildContexts ?? {});
          break;
        }
        yield accepted('x');
        yield finished(2);
      },
    });
    const buildContexts = { extra: join(fixture.root, 'context/extra'), base: 'docker-image://example.com/x:1' };
    await fixture.backend(address).buildImage(await fixture.load({ buildContexts }), observe().context);
    expect(await sent.promise).toEqual({
      extra: `tree:sha256:${'2'.repeat(64)}`,
      base: 'docker-image://example.com/x:1',
    });
    expect(daemon.trees.map(pathsOf)[0]).toEqual(['f']);
  });
});
