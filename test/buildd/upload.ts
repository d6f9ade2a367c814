import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import {
  type ContentChunkSchema,
  type MessageInput,
  TreeEntry_Type,
  type TreeEntrySchema,
} from '../../src/rpc/index.ts';
import type { BuildClient } from './daemon-fixture.ts';

type EntryInput = MessageInput<typeof TreeEntrySchema>;
type ChunkInput = MessageInput<typeof ContentChunkSchema>;

/** What an upload sent. */
export interface Sent {
  readonly tree: string;
  readonly contents: number;
  readonly bytes: number;
}

/** Sends a directory to a daemon as its protocol says, as plainly as can be: the tests' own client. */
export async function uploadDirectory(client: BuildClient, directory: string): Promise<Sent> {
  const entries = listEntries(directory, '');
  const { tree, missing } = await client.offerTree(once({ entries: entries.map(({ entry }) => entry) }));
  const files = new Map(entries.map(({ entry, path }) => [hex(entry.digest), path]));
  const chunks = missing.map(({ digest, have }): ChunkInput => {
    const data = readFileSync(files.get(hex(digest))!);
    return { digest, offset: have, data: data.subarray(Number(have)), last: true };
  });
  const { contents, bytes } = await client.uploadContent(all(chunks));
  return { tree, contents: Number(contents), bytes: Number(bytes) };
}

interface Listed {
  readonly entry: EntryInput;
  readonly path: string;
}

function listEntries(root: string, below: string): readonly Listed[] {
  const found: Listed[] = [];
  for (const name of readdirSync(join(root, below))) {
    const path = below === '' ? name : `${below}/${name}`;
    const file = join(root, path);
    const stats = lstatSync(file, { bigint: true });
    const plain = { path: Buffer.from(path), mode: Number(stats.mode & 0o7777n), mtimeNs: stats.mtimeNs };
    if (stats.isDirectory()) {
      found.push({ path: file, entry: { ...plain, type: TreeEntry_Type.DIRECTORY } }, ...listEntries(root, path));
    } else if (stats.isSymbolicLink()) {
      const target = Buffer.from(readlinkSync(file));
      found.push({ path: file, entry: { ...plain, type: TreeEntry_Type.SYMLINK, target } });
    } else {
      const digest = createHash('sha256').update(readFileSync(file)).digest();
      found.push({ path: file, entry: { ...plain, type: TreeEntry_Type.FILE, size: stats.size, digest } });
    }
  }
  return found.sort((a, b) => Buffer.compare(bytesOf(a), bytesOf(b)));
}

function bytesOf({ entry }: Listed): Uint8Array {
  return entry.path ?? new Uint8Array();
}

function hex(bytes: Uint8Array | undefined): string {
  return Buffer.from(bytes ?? []).toString('hex');
}

async function* once<T>(item: T): AsyncGenerator<T, void, undefined> {
  yield item;
}

/** A stream of some messages. */
export async function* all<T>(items: Iterable<T>): AsyncGenerator<T, void, undefined> {
  yield* items;
}
