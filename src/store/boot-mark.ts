import { readFileSync, renameSync } from 'node:fs';
import { writeNewFile } from './durable.ts';
import { readBootId } from './owner.ts';
import type { StorePaths } from './paths.ts';
import type { StoreHome } from './store-home.ts';

/** True when the host was booted since the store was last looked after. Costs two small reads. */
export function isFirstSinceBoot(paths: StorePaths): boolean {
  return readMark(paths) !== readBootId();
}

/** Remembers that the store was looked after since the boot. */
export function writeBootMark(home: StoreHome): void {
  const temporaryPath = home.temporaryPath('boot');
  writeNewFile(temporaryPath, Buffer.from(readBootId()));
  renameSync(temporaryPath, home.paths.bootFile);
}

function readMark(paths: StorePaths): string {
  try {
    return readFileSync(paths.bootFile, 'utf8');
  } catch {
    return '';
  }
}
