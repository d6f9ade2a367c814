import { loadArchive } from '../../src/outputs/index.ts';
import { openStore } from '../../src/store/index.ts';
import type { BaseImage } from '../support/base-images.ts';

/** Puts a base image into a store of ours. */
export async function importBase(dataDir: string, { layout }: BaseImage): Promise<void> {
  const store = await openStore({ root: dataDir });
  await loadArchive({ store }, layout, { signal: new AbortController().signal, emit: () => undefined });
}
