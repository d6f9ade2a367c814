import type { ClientContexts } from './client-contexts.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Trees that nobody built from for this long go. */
const TREE_AGE_MS = 7 * DAY_MS;
/** A client's trees beyond this number go, oldest first: each may hold copies of its own. */
const TREES_KEPT = 8;
/** Contents that no tree has: time for a build to come after its upload. */
const UNLINKED_AGE_MS = DAY_MS;
/** What is younger is never removed to make room: its build may be about to start. */
const FRESH_MS = HOUR_MS;

/**
 * Removes trees and contents that were not used for long, and more, oldest first, while there is too much. Trees in use and
 * what they hold stay.
 *
 * @returns bytes of the contents that are left.
 */
export function collectGarbage(
  clients: readonly ClientContexts[],
  { maxBytes, nowMs }: { readonly maxBytes: number; readonly nowMs: number },
): number {
  for (const client of clients) {
    client.removeOldPartials(nowMs - UNLINKED_AGE_MS);
    const free = client.trees().filter(({ inUse }) => !inUse);
    const newestFirst = [...free].sort((a, b) => b.usedMs - a.usedMs);
    newestFirst.forEach(({ tree, usedMs }, rank) => {
      const isExtra = rank >= TREES_KEPT && nowMs - usedMs > FRESH_MS;
      if (isExtra || nowMs - usedMs > TREE_AGE_MS) client.removeTree(tree);
    });
  }
  let usedBytes = removeUnlinked(clients, nowMs - UNLINKED_AGE_MS);
  if (usedBytes <= maxBytes) return usedBytes;
  for (const { client, tree } of oldestTrees(clients, nowMs)) {
    client.removeTree(tree);
    usedBytes = removeUnlinked([client], nowMs - FRESH_MS, usedBytes);
    if (usedBytes <= maxBytes) break;
  }
  return usedBytes > maxBytes ? removeUnlinked(clients, nowMs - FRESH_MS) : usedBytes;
}

function oldestTrees(clients: readonly ClientContexts[], nowMs: number) {
  return clients
    .flatMap((client) => client.trees().map((tree) => ({ client, ...tree })))
    .filter(({ inUse, usedMs }) => !inUse && nowMs - usedMs > FRESH_MS)
    .sort((a, b) => a.usedMs - b.usedMs);
}

/**
 * Removes contents that no tree is linked to since `before`; the time of the last link or unlink is the file's ctime.
 *
 * @returns bytes that are left; with `known`, that minus what was removed.
 */
function removeUnlinked(clients: readonly ClientContexts[], before: number, known?: number): number {
  let left = 0;
  let removed = 0;
  for (const { folder } of clients) {
    for (const { digest, stats } of folder.list()) {
      if (stats.nlink === 1 && stats.ctimeMs < before) {
        folder.remove(digest);
        removed += stats.size;
      } else left += stats.size;
    }
  }
  return known === undefined ? left : known - removed;
}
