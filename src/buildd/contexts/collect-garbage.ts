import type { ClientContexts, KnownTree } from './client-contexts.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Trees that nobody built from for this long go. */
const TREE_AGE_MS = 7 * DAY_MS;
/** A client's trees beyond this number go after an hour, oldest first: each may hold copies of its own. */
const TREES_KEPT = 8;
/** Uploads that were broken off go as early where room is needed. */
const EXTRA_AGE_MS = HOUR_MS;
/** Contents that no tree has: time for a build to come after its upload. */
const UNLINKED_AGE_MS = DAY_MS;

export interface GarbageLimits {
  /** Of all that is kept for all clients. */
  readonly maxBytes: number;
  readonly nowMs: number;
}

/**
 * Removes trees and contents that were not used for long, and more, oldest first, while there is too much. What a build has,
 * or one that is about to come will need, stays: trees that are open, those that were offered for a build, and the contents
 * that they name.
 *
 * @returns bytes that are left, of contents, lists, copies, and uploads that are not complete.
 */
export function collectGarbage(clients: readonly ClientContexts[], { maxBytes, nowMs }: GarbageLimits): number {
  for (const client of clients) {
    client.removeOldPartials(nowMs - UNLINKED_AGE_MS);
    const newestFirst = freeTreesOf(client).sort((a, b) => b.usedMs - a.usedMs);
    newestFirst.forEach(({ tree, usedMs }, rank) => {
      const ageMs = nowMs - usedMs;
      if (ageMs > TREE_AGE_MS || (rank >= TREES_KEPT && ageMs > EXTRA_AGE_MS)) client.removeTree(tree);
    });
    removeUnlinked(client, { before: nowMs - UNLINKED_AGE_MS, kept: NONE });
  }
  let left = clients.reduce((sum, client) => sum + sizeOf(client), 0);
  if (left <= maxBytes) return left;
  for (const client of clients) left -= client.removeOldPartials(nowMs - EXTRA_AGE_MS);
  const wanted = new Map(clients.map((client) => [client, neededContents(client)]));
  for (const client of clients) left -= removeUnlinked(client, { before: Infinity, kept: wanted.get(client)! });
  for (const { client, tree, ownBytes } of oldestFirst(clients)) {
    if (left <= maxBytes) break;
    const contents = client.contentsOf(tree);
    client.removeTree(tree);
    left -= ownBytes + removeContents(client, { contents, kept: wanted.get(client)! });
  }
  return left;
}

const NONE: ReadonlySet<string> = new Set();

function freeTreesOf(client: ClientContexts): KnownTree[] {
  return client.trees().filter(({ isNeeded }) => !isNeeded);
}

function oldestFirst(clients: readonly ClientContexts[]) {
  return clients
    .flatMap((client) => freeTreesOf(client).map((known) => ({ client, ...known })))
    .sort((a, b) => a.usedMs - b.usedMs);
}

/** What trees name that are needed: some of it may be on its way, and linked to nothing yet. */
function neededContents(client: ClientContexts): ReadonlySet<string> {
  const needed = client.trees().filter(({ isNeeded }) => isNeeded);
  return new Set(needed.flatMap(({ tree }) => [...client.contentsOf(tree)]));
}

function sizeOf(client: ClientContexts): number {
  let bytes = client.incompleteBytes();
  for (const { stats } of client.folder.list()) bytes += stats.size;
  for (const { ownBytes } of client.trees()) bytes += ownBytes;
  return bytes;
}

interface Unlinked {
  /** Linked or unlinked the last time before; it is the ctime of the file. */
  readonly before: number;
  readonly kept: ReadonlySet<string>;
}

/** Removes contents that no tree is linked to. @returns their bytes. */
function removeUnlinked({ folder }: ClientContexts, { before, kept }: Unlinked): number {
  let removed = 0;
  for (const { digest, stats } of folder.list()) {
    if (stats.nlink > 1 || stats.ctimeMs >= before || kept.has(digest)) continue;
    folder.remove(digest);
    removed += stats.size;
  }
  return removed;
}

interface Contents {
  readonly contents: ReadonlySet<string>;
  readonly kept: ReadonlySet<string>;
}

/** Removes those of some contents that no tree is linked to. @returns their bytes. */
function removeContents({ folder }: ClientContexts, { contents, kept }: Contents): number {
  let removed = 0;
  for (const digest of contents) {
    const stats = folder.stat(digest);
    if (stats === undefined || stats.nlink > 1 || kept.has(digest)) continue;
    folder.remove(digest);
    removed += stats.size;
  }
  return removed;
}
