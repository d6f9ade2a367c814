import { type BlobId, formatReference, parseReference, type Reference } from '../../core/index.ts';
import type { Store } from '../../store/index.ts';

/** How many repositories are remembered for a blob: the latest are tried for a mount. */
const MAX_ORIGINS = 8;

/** Full references of repositories that a blob was in, the latest first. */
export async function readOrigins(store: Store, blob: BlobId): Promise<readonly string[]> {
  const known = await store.records.get<unknown>('origins', blob.digest);
  return Array.isArray(known)
    ? known.filter((origin): origin is string => typeof origin === 'string' && isReference(origin))
    : [];
}

/** Remembers that a repository has a blob. */
export async function addOrigin(store: Store, blob: BlobId, { registry, repository }: Reference): Promise<void> {
  const origin = formatReference({ registry, repository });
  const known = await readOrigins(store, blob);
  if (known[0] === origin) return;
  const origins = [origin, ...known.filter((other) => other !== origin)].slice(0, MAX_ORIGINS);
  await store.records.put('origins', blob.digest, origins);
}

function isReference(text: string): boolean {
  try {
    return parseReference(text) !== undefined;
  } catch {
    return false;
  }
}
