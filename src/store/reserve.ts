import { renameSync, rmSync, statSync } from 'node:fs';
import { isBuildError } from '../core/index.ts';
import { writeNewFile } from './durable.ts';
import type { StoreHome } from './store-home.ts';

/** Enough for a new index and a few directories. */
const RESERVE_BYTES = 256 << 10;

/** Sets some space aside, so that garbage can be collected on a disk that is full. */
export function keepReserve(home: StoreHome): void {
  if (statSync(home.paths.reserve, { throwIfNoEntry: false })?.size === RESERVE_BYTES) return;
  const temporaryPath = home.temporaryPath('reserve');
  try {
    writeNewFile(temporaryPath, Buffer.alloc(RESERVE_BYTES, 0xff));
    renameSync(temporaryPath, home.paths.reserve);
  } catch {
    rmSync(temporaryPath, { force: true });
  }
}

/** Runs a step that makes room; where there is not even room for that, once more with the reserve given up. */
export async function withReserve<T>(home: StoreHome, step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (error) {
    if (!isBuildError(error, 'STORE_FULL')) throw error;
    rmSync(home.paths.reserve, { force: true });
    return await step();
  } finally {
    keepReserve(home);
  }
}
